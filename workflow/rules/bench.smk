"""What the parts cost, beside what the machine could do: a target of its own."""


# All cores, so that nothing runs beside it. The default run's minutes are those of the last whole run before.
rule bench:
    input:
        **benched(),
    output:
        rows="<results>/bench.json",
        table="<results>/tables/bench.md",
        figure="<results>/figures/bench.png",
        record="<results>/bench.record.json",
    log:
        "<results>/logs/bench.log",
    conda:
        "../../envs/gof.yaml"
    threads: workflow.resource_settings.cores or 1
    params:
        config=CONFIG.only("datasets", "note"),
        code=code("gof.bench.run"),
        results=subpath(output.rows, parent=True),
        options=lambda _, input: named_options(input, "head_model", "generator"),
    shell:
        "exec gof bench --config {params.config:q} --results {params.results:q} {params.options:q} --out {output.rows:q} > {log:q} 2>&1"
