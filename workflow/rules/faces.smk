"""Faces: landmarks, 3DMM fits and their statistics, condition pool, regressors. First of all: the trainings of
conditional models wait for them, and with them are the longest way to the end."""


rule landmarks:
    input:
        data="<results>/{dataset}/data/manifest.json",
    output:
        record="<results>/{dataset}/faces/landmarks/landmarks.json",
        picture=report(
            "<results>/{dataset}/faces/landmarks/landmarks.png",
            caption="../report/landmarks.rst",
            category="Faces",
            labels={"data set": "{dataset}", "what": "landmarks"},
        ),
    log:
        "<results>/logs/faces/{dataset}-landmarks.log",
    priority: 30
    conda:
        "../../envs/gof.yaml"
    params:
        config=scopes.of_faces(CONFIG, "landmarks"),
        code=code("gof.fitting.landmark_set"),
    shell:
        "exec gof landmarks --config {params.config:q} --data {input.data:q}"
        " --out {output.record:q} > {log:q} 2>&1"


rule fits:
    input:
        data="<results>/{dataset}/data/manifest.json",
        landmarks="<results>/{dataset}/faces/landmarks/landmarks.json",
        model="<results>/{dataset}/model/head_model.npz",
    output:
        record="<results>/{dataset}/faces/fits/fits.json",
        statistics="<results>/{dataset}/faces/fits/statistics.npz",
        picture=report(
            "<results>/{dataset}/faces/fits/fits.png",
            caption="../report/fits.rst",
            category="Faces",
            labels={"data set": "{dataset}", "what": "3DMM fits"},
        ),
    log:
        "<results>/logs/faces/{dataset}-fits.log",
    priority: 30
    conda:
        "../../envs/gof.yaml"
    # Like the pool, it uses all cores for a minute: to wait until all are free would be to wait for whole trainings.
    threads: 1
    params:
        config=scopes.of_faces(CONFIG, "fit"),
        code=code("gof.fitting.fit_set"),
    shell:
        "exec gof fits --config {params.config:q} --data {input.data:q} --landmarks {input.landmarks:q}"
        " --head-model {input.model:q} --out {output.record:q} > {log:q} 2>&1"


rule pool:
    input:
        data="<results>/{dataset}/data/manifest.json",
        statistics="<results>/{dataset}/faces/fits/statistics.npz",
        model="<results>/{dataset}/model/head_model.npz",
    output:
        manifest="<results>/{dataset}/faces/pool/manifest.json",
        record="<results>/{dataset}/faces/pool/pool.json",
        picture=report(
            "<results>/{dataset}/faces/pool/sheet.png",
            caption="../report/pool.rst",
            category="Faces",
            labels={"data set": "{dataset}", "what": "condition pool"},
        ),
    log:
        "<results>/logs/faces/{dataset}-pool.log",
    priority: 30
    conda:
        "../../envs/gof.yaml"
    threads: 1
    params:
        config=scopes.of_faces(CONFIG, "pool"),
        code=code("gof.conditioning.pool"),
    shell:
        "exec gof pool --config {params.config:q} --data {input.data:q} --statistics {input.statistics:q}"
        " --head-model {input.model:q} --out {output.manifest:q} > {log:q} 2>&1"


rule regressor:
    input:
        data="<results>/{dataset}/data/manifest.json",
        landmarks="<results>/{dataset}/faces/landmarks/landmarks.json",
        fits="<results>/{dataset}/faces/fits/fits.json",
        pool="<results>/{dataset}/faces/pool/manifest.json",
        statistics="<results>/{dataset}/faces/fits/statistics.npz",
        model="<results>/{dataset}/model/head_model.npz",
    output:
        record="<results>/{dataset}/faces/regressors/{regressor}/regressor.json",
        weights="<results>/{dataset}/faces/regressors/{regressor}/regressor.safetensors",
        regressor="<results>/{dataset}/faces/regressors/{regressor}/regressor.yaml",
    log:
        "<results>/logs/faces/{dataset}-{regressor}.log",
    wildcard_constraints:
        regressor="|".join(REGRESSORS),
    priority: 30
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: scopes.of_regressor(CONFIG, wildcards.regressor),
        code=code("gof.readers.training"),
    shell:
        "exec gof regressor --config {params.config:q} --name {wildcards.regressor:q} --data {input.data:q}"
        " --landmarks {input.landmarks:q} --fits {input.fits:q} --pool {input.pool:q}"
        " --statistics {input.statistics:q} --head-model {input.model:q} --out {output.record:q} > {log:q} 2>&1"
