"""Faces: landmarks, 3DMM fits and their statistics, condition pool, regressors."""


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
    conda:
        "../../envs/gof.yaml"
    threads: 2
    params:
        config=CONFIG.for_faces("fit"),
        code=code("gof.faces.fit_set"),
    shell:
        "exec gof fits --config {params.config:q} --data {input.data:q} --landmarks {input.landmarks:q}"
        " --head-model {input.model:q} --out {output.record:q} > {log:q} 2>&1"
