"""What a trained generator shows: sample sheets, a turntable, meshes."""


rule samples:
    input:
        generator=generator_of,
    output:
        record="<results>/{dataset}/{model}/seed{seed}/samples/samples.json",
        sheet=report(
            "<results>/{dataset}/{model}/seed{seed}/samples/sheet.png",
            caption="../report/samples.rst",
            category="Samples",
            labels={
                "data set": "{dataset}",
                "model": "{model}",
                "seed": "{seed}",
                "what": "sheet",
            },
        ),
        turntable=report(
            "<results>/{dataset}/{model}/seed{seed}/samples/turntable.gif",
            caption="../report/samples.rst",
            category="Samples",
            labels={
                "data set": "{dataset}",
                "model": "{model}",
                "seed": "{seed}",
                "what": "turntable",
            },
        ),
    log:
        "<results>/logs/samples/{dataset}-{model}-seed{seed}.log",
    priority: 2  # longer than what may be left for the end
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.only("samples"),
        code=code("gof.pictures.views"),
    shell:
        "exec gof samples --config {params.config:q} --generator {input.generator:q}"
        " --out {output.record:q} > {log:q} 2>&1"


rule mesh:
    input:
        generator=generator_of,
    output:
        record="<results>/{dataset}/{model}/seed{seed}/meshes/meshes.json",
        viewer=report(
            "<results>/{dataset}/{model}/seed{seed}/meshes/viewer.html",
            caption="../report/mesh.rst",
            category="Meshes",
            labels={"data set": "{dataset}", "model": "{model}", "seed": "{seed}"},
        ),
    log:
        "<results>/logs/mesh/{dataset}-{model}-seed{seed}.log",
    conda:
        "../../envs/gof.yaml"
    params:
        config=CONFIG.only("meshes"),
        code=code("gof.shapes.marching"),
    shell:
        "exec gof mesh --config {params.config:q} --generator {input.generator:q}"
        " --out {output.record:q} > {log:q} 2>&1"
