"""Assets, head model and data set."""


rule download_head_asset:
    output:
        "<results>/assets/head_asset.json",
    log:
        "<results>/logs/download/head_asset.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/gof.yaml"
    params:
        name="head",
        code=code("gof.data.download"),
    shell:
        "exec gof download --asset {params.name} --out {output:q} > {log:q} 2>&1"


use rule download_head_asset as download_features with:
    output:
        "<results>/assets/features.json",
    log:
        "<results>/logs/download/features.log",
    params:
        name="features",
        code=code("gof.data.download"),


rule head_model:
    input:
        asset="<results>/assets/head_asset.json",
    output:
        model="<results>/heads/model/head_model.npz",
        record="<results>/heads/model/head_model.json",
        picture=report(
            "<results>/heads/model/head_model.png",
            caption="../report/head_model.rst",
            category="Data",
            labels={"what": "head model"},
        ),
    log:
        "<results>/logs/head_model.log",
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.for_head_model(),
        code=code("gof.heads.build"),
    shell:
        "exec gof head-model --config {params.config:q} --asset {input.asset:q}"
        " --out {output.model:q} > {log:q} 2>&1"


rule heads_dataset:
    input:
        model="<results>/heads/model/head_model.npz",
    output:
        manifest="<results>/heads/data/manifest.json",
        record="<results>/heads/data/data.json",
        picture=report(
            "<results>/heads/data/sheet.png",
            caption="../report/heads_dataset.rst",
            category="Data",
            labels={"what": "data set"},
        ),
    log:
        "<results>/logs/heads_dataset.log",
    conda:
        "../../envs/gof.yaml"
    # It uses all cores for half a minute, but waits for none to be free.
    threads: 1
    params:
        config=CONFIG.only("heads", "camera"),
        code=code("gof.heads.render"),
    shell:
        "exec gof dataset --config {params.config:q} --head-model {input.model:q}"
        " --out {output.manifest:q} > {log:q} 2>&1"
