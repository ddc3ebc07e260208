"""Metrics of the trained generators, and what each metric gives for known answers."""


rule views:
    input:
        generator=generator_of,
    output:
        manifest="<results>/{dataset}/{model}/seed{seed}/views/manifest.json",
        record="<results>/{dataset}/{model}/seed{seed}/views/views.json",
    log:
        "<results>/logs/views/{dataset}-{model}-seed{seed}.log",
    priority: 6
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: scopes.of_views(
            CONFIG, wildcards.dataset, wildcards.model
        ),
        code=code("gof.metrics.views"),
        subject=lambda wildcards, input: ["--generator", input.generator],
    shell:
        "exec gof views --config {params.config:q} {params.subject:q}"
        " --out {output.manifest:q} > {log:q} 2>&1"


use rule views as untrained_views with:
    input:
        data="<results>/{dataset}/data/manifest.json",
    output:
        manifest="<results>/{dataset}/reference/views/manifest.json",
        record="<results>/{dataset}/reference/views/views.json",
    log:
        "<results>/logs/views/{dataset}-reference.log",
    params:
        config=lambda wildcards: scopes.of_views(CONFIG, wildcards.dataset),
        code=code("gof.metrics.views"),
        subject=lambda wildcards, input: ["--reference", "--data", input.data],


rule evaluate:
    input:
        unpack(measured_with),
        data="<results>/{dataset}/data/manifest.json",
    output:
        "<results>/{dataset}/{model}/seed{seed}/metrics/{metric}.json",
    log:
        "<results>/logs/evaluate/{dataset}-{model}-seed{seed}-{metric}.log",
    priority: 5
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: scopes.of_metric(
            CONFIG, wildcards.dataset, wildcards.metric, wildcards.model
        ),
        code=lambda wildcards: measuring_code(wildcards.metric),
        subject=lambda wildcards, input: named_options(input, "generator", "views"),
        files=lambda wildcards, input: named_options(input, *FILES),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " {params.subject:q} {params.files:q} --out {output:q} > {log:q} 2>&1"


use rule evaluate as reference with:
    output:
        "<results>/{dataset}/reference/{metric}.json",
    log:
        "<results>/logs/evaluate/{dataset}-reference-{metric}.log",
    params:
        config=lambda wildcards: scopes.of_metric(
            CONFIG, wildcards.dataset, wildcards.metric
        ),
        code=lambda wildcards: measuring_code(wildcards.metric),
        subject=lambda wildcards, input: [
            "--reference",
            *named_options(input, "views"),
        ],
        files=lambda wildcards, input: named_options(input, *FILES),


rule show_control:
    input:
        generator=generator_of,
        model="<results>/{dataset}/model/head_model.npz",
        statistics="<results>/{dataset}/faces/fits/statistics.npz",
    output:
        record="<results>/{dataset}/{model}/seed{seed}/control/control.json",
        pictures=[
            report(
                f"<results>/{{dataset}}/{{model}}/seed{{seed}}/control/{name}.png",
                caption=f"../report/{name}.rst",
                category="Control",
                labels={
                    "data set": "{dataset}",
                    "model": "{model}",
                    "seed": "{seed}",
                    "what": name,
                },
            )
            for name in ("sweeps", "distances", "warping")
        ],
    log:
        "<results>/logs/show_control/{dataset}-{model}-seed{seed}.log",
    priority: 2
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.only("samples", "meshes"),
        code=code("gof.pictures.control"),
    shell:
        "exec gof show-control --config {params.config:q} --generator {input.generator:q} --head-model {input.model:q}"
        " --statistics {input.statistics:q} --out {output.record:q} > {log:q} 2>&1"
