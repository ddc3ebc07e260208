"""Faces: landmarks, 3DMM fits and their statistics, condition pool, regressors. Before samples, meshes and
metrics: the trainings of conditional models wait for them."""


rule landmarks:
    input:
        data="<results>/heads/data/manifest.json",
    output:
        record="<results>/heads/faces/landmarks/landmarks.json",
        picture=report(
            "<results>/heads/faces/landmarks/landmarks.png",
            caption="../report/landmarks.rst",
            category="Faces",
            labels={"what": "landmarks"},
        ),
    log:
        "<results>/logs/faces/landmarks.log",
    priority: 10
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.for_faces("landmarks"),
        code=code("gof.fitting.landmark_set"),
    shell:
        "exec gof landmarks --config {params.config:q} --data {input.data:q}"
        " --out {output.record:q} > {log:q} 2>&1"


rule fits:
    input:
        data="<results>/heads/data/manifest.json",
        landmarks="<results>/heads/faces/landmarks/landmarks.json",
        model="<results>/heads/model/head_model.npz",
    output:
        record="<results>/heads/faces/fits/fits.json",
        statistics="<results>/heads/faces/fits/statistics.npz",
        picture=report(
            "<results>/heads/faces/fits/fits.png",
            caption="../report/fits.rst",
            category="Faces",
            labels={"what": "3DMM fits"},
        ),
    log:
        "<results>/logs/faces/fits.log",
    priority: 10
    conda:
        "../../envs/gof.yaml"
    # Like the pool, it uses all cores for a minute: to wait until all are free would be to wait for whole trainings.
    threads: 1
    params:
        config=CONFIG.for_faces("fit"),
        code=code("gof.fitting.fit_set"),
    shell:
        "exec gof fits --config {params.config:q} --data {input.data:q} --landmarks {input.landmarks:q}"
        " --head-model {input.model:q} --out {output.record:q} > {log:q} 2>&1"


rule pool:
    input:
        statistics="<results>/heads/faces/fits/statistics.npz",
        model="<results>/heads/model/head_model.npz",
    output:
        manifest="<results>/heads/faces/pool/manifest.json",
        record="<results>/heads/faces/pool/pool.json",
        picture=report(
            "<results>/heads/faces/pool/sheet.png",
            caption="../report/pool.rst",
            category="Faces",
            labels={"what": "condition pool"},
        ),
    log:
        "<results>/logs/faces/pool.log",
    priority: 10
    conda:
        "../../envs/gof.yaml"
    threads: 1
    params:
        config=CONFIG.for_faces("pool"),
        code=code("gof.conditioning.pool"),
    shell:
        "exec gof pool --config {params.config:q} --statistics {input.statistics:q}"
        " --head-model {input.model:q} --out {output.manifest:q} > {log:q} 2>&1"


rule regressor:
    input:
        data="<results>/heads/data/manifest.json",
        landmarks="<results>/heads/faces/landmarks/landmarks.json",
        fits="<results>/heads/faces/fits/fits.json",
        pool="<results>/heads/faces/pool/manifest.json",
        statistics="<results>/heads/faces/fits/statistics.npz",
        model="<results>/heads/model/head_model.npz",
    output:
        record="<results>/heads/faces/regressors/{regressor}/regressor.json",
        weights="<results>/heads/faces/regressors/{regressor}/regressor.safetensors",
        regressor="<results>/heads/faces/regressors/{regressor}/regressor.yaml",
    log:
        "<results>/logs/faces/regressor-{regressor}.log",
    wildcard_constraints:
        regressor="|".join(REGRESSORS),
    priority: 10
    conda:
        "../../envs/gof.yaml"
    params:
        config=lambda wildcards: CONFIG.for_regressor(wildcards.regressor),
        code=code("gof.readers.training"),
    shell:
        "exec gof regressor --config {params.config:q} --name {wildcards.regressor:q} --data {input.data:q}"
        " --landmarks {input.landmarks:q} --fits {input.fits:q} --pool {input.pool:q}"
        " --statistics {input.statistics:q} --head-model {input.model:q} --out {output.record:q} > {log:q} 2>&1"
