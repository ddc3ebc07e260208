"""Metrics of the trained generators, and what each metric gives for known answers."""


rule evaluate:
    input:
        data="<results>/heads/data/manifest.json",
        generator=generator_of,
        features=needs_features,
    output:
        "<results>/heads/{model}/seed{seed}/metrics/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-{model}-seed{seed}-{metric}.log",
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_metric(wildcards.metric),
        code=code("gof.metrics.evaluate"),
        features=lambda wildcards, input: optional("--features", input.features),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " --generator {input.generator:q} {params.features:q} --out {output:q} > {log:q} 2>&1"


rule reference:
    input:
        data="<results>/heads/data/manifest.json",
        features=needs_features,
    output:
        "<results>/heads/reference/{metric}.json",
    log:
        "<results>/logs/evaluate/heads-reference-{metric}.log",
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_reference(wildcards.metric),
        code=code("gof.metrics.evaluate"),
        features=lambda wildcards, input: optional("--features", input.features),
    shell:
        "exec gof evaluate --metric {wildcards.metric} --config {params.config:q} --data {input.data:q}"
        " --reference {params.features:q} --out {output:q} > {log:q} 2>&1"
