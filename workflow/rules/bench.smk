"""What the parts cost, beside what the machine could do: a target of its own."""


# All cores, so that nothing runs beside it. The default run's minutes are those of the last whole run before.
rule bench:
    input:
        head_model="<results>/heads/model/head_model.npz",
        generator=(
            last_stage("heads", "gof", 0, "generator.yaml")
            if ("heads", "gof", 0) in TRAININGS
            else []
        ),
    output:
        rows="<results>/bench.json",
        table="<results>/tables/bench.md",
        figure="<results>/figures/bench.png",
        record="<results>/bench.record.json",
    log:
        "<results>/logs/bench.log",
    conda:
        "../../envs/gof.yaml"
    threads: workflow.cores or 1
    params:
        config=CONFIG.only("datasets", "note"),
        code=code("gof.bench.run"),
        results=subpath(output.rows, parent=True),
    shell:
        "exec gof bench --config {params.config:q} --results {params.results:q} --out {output.rows:q} > {log:q} 2>&1"
