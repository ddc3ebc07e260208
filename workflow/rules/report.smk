"""Tables and figures, from the records of jobs alone."""

TABLES = (
    *dict.fromkeys(metric.table for own in MEASURED.values() for metric in own),
    *(("faces",) if FITTED else ()),
    "cost",
    "published",
)
FIGURES = ("losses", "interval", "weights", "shapes")


rule tables:
    input:
        metrics=metric_records(),
        references=references(),
        stages=each_stage("stage.json"),
        others=[
            each_dataset("data/data.json"),
            each_model("samples/samples.json"),
            each_model("meshes/meshes.json"),
            each_model("views/views.json"),
            each_dataset("reference/views/views.json"),
            each_conditional("control/control.json"),
            faces_records(),
        ],
        published=os.path.relpath(f"{workflow.basedir}/workflow/paper/published.yaml"),
    output:
        long="<results>/tables/metrics.csv",
        overview="<results>/tables/overview.html",
        csv=expand("<results>/tables/{table}.csv", table=TABLES),
        tex=expand("<results>/tables/{table}.tex", table=TABLES),
        md=expand("<results>/tables/{table}.md", table=TABLES),
        html=[shown("Tables", name, ".html") for name in TABLES],
    log:
        "<results>/logs/tables.log",
    localrule: True
    conda:
        "../../envs/gof.yaml"
    params:
        config=scopes.of_tables(CONFIG, plan.reasons(CONFIG)),
        code=code("gof.report.tables"),
        folder=subpath(output.long, parent=True),
    shell:
        "exec gof tables --config {params.config:q} --published {input.published:q}"
        " --out {params.folder:q} {input.metrics:q} {input.references:q} {input.stages:q} {input.others:q} > {log:q} 2>&1"


rule figures:
    input:
        stages=each_stage("stage.json"),
        metrics=metric_records(drawn=True),
        samples=each_model("samples/samples.json"),
    output:
        [shown("Figures", name, ".png") for name in FIGURES],
    log:
        "<results>/logs/figures.log",
    localrule: True
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.only("note"),
        code=code("gof.report.figures"),
        folder=subpath(output[0], parent=True),
    shell:
        "exec gof figures --config {params.config:q} --out {params.folder:q}"
        " {input.stages:q} {input.metrics:q} {input.samples:q} > {log:q} 2>&1"
