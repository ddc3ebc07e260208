"""Metrics of the trained generators, and what each metric gives for known answers."""


rule evaluate:
    input:
        unpack(faces_of_metric),
        data="<results>/heads/data/manifest.json",
        generator=generator_of,
        features=needs_features,
    output:
        "<results>/heads/{model}/seed{seed}/metrics/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-{model}-seed{seed}-{metric}.log",
    priority: 5
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_metric(wildcards.metric),
        code=lambda wildcards: measuring_code(wildcards.metric),
        features=lambda wildcards, input: optional("--features", input.features),
        faces=lambda wildcards, input: named_options(
            input, "head_model", "statistics", "judge", "floor"
        ),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " --generator {input.generator:q} {params.features:q} {params.faces:q} --out {output:q} > {log:q} 2>&1"


rule reference:
    input:
        unpack(faces_of_reference),
        data="<results>/heads/data/manifest.json",
        features=needs_features,
    output:
        "<results>/heads/reference/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-reference-{metric}.log",
    priority: 5
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: reference_config(wildcards.metric),
        code=lambda wildcards: measuring_code(wildcards.metric),
        features=lambda wildcards, input: optional("--features", input.features),
        faces=lambda wildcards, input: named_options(
            input, "head_model", "statistics", "judge", "floor"
        ),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " --reference {params.features:q} {params.faces:q} --out {output:q} > {log:q} 2>&1"


rule show_control:
    input:
        generator=generator_of,
        model="<results>/heads/model/head_model.npz",
        statistics="<results>/heads/faces/fits/statistics.npz",
    output:
        record="<results>/heads/{model}/seed{seed}/control/control.json",
        pictures=[
            report(
                f"<results>/heads/{{model}}/seed{{seed}}/control/{name}.png",
                caption=f"../report/{name}.rst",
                category="Control",
                labels={"model": "{model}", "seed": "{seed}", "what": name},
            )
            for name in ("sweeps", "distances", "warping")
        ],
    log:
        "<results>/logs/show_control/heads-{model}-seed{seed}.log",
    priority: 2
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.only("samples", "meshes"),
        code=code("gof.metrics.control_figures"),
    shell:
        "exec gof show-control --config {params.config:q} --generator {input.generator:q} --head-model {input.model:q}"
        " --statistics {input.statistics:q} --out {output.record:q} > {log:q} 2>&1"
