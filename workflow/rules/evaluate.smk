"""Metrics of the trained generators, and what each metric gives for known answers."""


rule views:
    input:
        generator=generator_of,
    output:
        manifest="<results>/heads/{model}/seed{seed}/views/manifest.json",
        record="<results>/heads/{model}/seed{seed}/views/views.json",
    log:
        "<results>/logs/views/heads-{model}-seed{seed}.log",
    priority: 6
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_views(wildcards.model),
        code=code("gof.metrics.views"),
        subject=lambda wildcards, input: ["--generator", input.generator],
    shell:
        "exec gof views --config {params.config:q} {params.subject:q}"
        " --out {output.manifest:q} > {log:q} 2>&1"


use rule views as untrained_views with:
    input:
        [],
    output:
        manifest="<results>/heads/reference/views/manifest.json",
        record="<results>/heads/reference/views/views.json",
    log:
        "<results>/logs/views/heads-reference.log",
    params:
        config=CONFIG.for_views(),
        code=code("gof.metrics.views"),
        subject="--reference",


rule evaluate:
    input:
        unpack(measured_with),
        data="<results>/heads/data/manifest.json",
    output:
        "<results>/heads/{model}/seed{seed}/metrics/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-{model}-seed{seed}-{metric}.log",
    priority: 5
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_metric(wildcards.metric, wildcards.model),
        code=lambda wildcards: measuring_code(wildcards.metric),
        subject=lambda wildcards, input: named_options(input, "generator", "views"),
        files=lambda wildcards, input: named_options(input, *FILES),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " {params.subject:q} {params.files:q} --out {output:q} > {log:q} 2>&1"


use rule evaluate as reference with:
    output:
        "<results>/heads/reference/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-reference-{metric}.log",
    params:
        config=lambda wildcards: CONFIG.for_metric(wildcards.metric),
        code=lambda wildcards: measuring_code(wildcards.metric),
        subject=lambda wildcards, input: [
            "--reference",
            *named_options(input, "views"),
        ],
        files=lambda wildcards, input: named_options(input, *FILES),


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
        code=code("gof.pictures.control"),
    shell:
        "exec gof show-control --config {params.config:q} --generator {input.generator:q} --head-model {input.model:q}"
        " --statistics {input.statistics:q} --out {output.record:q} > {log:q} 2>&1"
