"""Assets, head models and data sets."""


rule download:
    output:
        "<results>/assets/{asset}.json",
    log:
        "<results>/logs/download/{asset}.log",
    wildcard_constraints:
        asset="|".join(assets()),
    retries: 2
    localrule: True
    conda:
        "../../envs/gof.yaml"
    params:
        entry=lambda wildcards: assets()[wildcards.asset].model_dump_json(),
        code=code("gof.data.download"),
    shell:
        "exec gof download --asset {wildcards.asset} --out {output:q} > {log:q} 2>&1"


rule head_model:
    input:
        asset="<results>/assets/head.json",
    output:
        model="<results>/{dataset}/model/head_model.npz",
        record="<results>/{dataset}/model/head_model.json",
        picture=report(
            "<results>/{dataset}/model/head_model.png",
            caption="../report/head_model.rst",
            category="Data",
            labels={"data set": "{dataset}", "what": "head model"},
        ),
    log:
        "<results>/logs/head_model/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(set(CONFIG.datasets) - set(BASEL)) or "none",
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: scopes.of_head_model(CONFIG, wildcards.dataset),
        code=code("gof.heads.build"),
    shell:
        "exec gof head-model --config {params.config:q} --name {wildcards.dataset:q} --asset {input.asset:q}"
        " --out {output.model:q} > {log:q} 2>&1"


rule bfm:
    input:
        mat=lambda wildcards: BASEL[wildcards.dataset],
    output:
        model="<results>/{dataset}/model/head_model.npz",
        record="<results>/{dataset}/model/head_model.json",
        picture=report(
            "<results>/{dataset}/model/head_model.png",
            caption="../report/head_model.rst",
            category="Data",
            labels={"data set": "{dataset}", "what": "head model"},
        ),
    log:
        "<results>/logs/head_model/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(BASEL) or "none",
    conda:
        "../../envs/gof.yaml"
    params:
        code=code("gof.morphable.bfm"),
    shell:
        "exec gof bfm --config '{{}}' --mat {input.mat:q} --out {output.model:q} > {log:q} 2>&1"


rule dataset:
    input:
        unpack(source_inputs),
    output:
        manifest="<results>/{dataset}/data/manifest.json",
        record="<results>/{dataset}/data/data.json",
        picture=report(
            "<results>/{dataset}/data/sheet.png",
            caption="../report/dataset.rst",
            category="Data",
            labels={"data set": "{dataset}", "what": "images"},
        ),
    log:
        "<results>/logs/dataset/{dataset}.log",
    conda:
        "../../envs/gof.yaml"
    # It uses all cores for half a minute, but waits for none to be free.
    threads: 1
    params:
        config=lambda wildcards: scopes.of_dataset(CONFIG, wildcards.dataset),
        code=lambda wildcards: source_code(wildcards.dataset),
        outside=lambda wildcards: source_of(wildcards).fingerprint(
            CONFIG.datasets[wildcards.dataset]
        ),
        source=lambda wildcards, input: source_options(wildcards, input),
    shell:
        "exec gof dataset --config {params.config:q} --name {wildcards.dataset:q} {params.source:q}"
        " --out {output.manifest:q} > {log:q} 2>&1"
