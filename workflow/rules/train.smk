"""Training: one node for each stage of each model and seed."""


# Checkpoints inside a stage lie in an undeclared folder beside the outputs: Snakemake deletes what a rule declares before
# each attempt, and they are what the next attempt goes on from. The last command is exec'd so that signals reach training.
rule train:
    input:
        unpack(conditions_of),
        data="<results>/{dataset}/data/manifest.json",
        previous=previous_state,
    output:
        state="<results>/{dataset}/{model}/seed{seed}/stage{stage}/state.safetensors",
        weights="<results>/{dataset}/{model}/seed{seed}/stage{stage}/generator.safetensors",
        generator="<results>/{dataset}/{model}/seed{seed}/stage{stage}/generator.yaml",
        record="<results>/{dataset}/{model}/seed{seed}/stage{stage}/stage.json",
        samples=report(
            "<results>/{dataset}/{model}/seed{seed}/stage{stage}/samples.png",
            caption="../report/train.rst",
            category="Training",
            labels={
                "data set": "{dataset}",
                "model": "{model}",
                "seed": "{seed}",
                "stage": "{stage}",
            },
        ),
    log:
        "<results>/logs/train/{dataset}-{model}-seed{seed}-stage{stage}.log",
    # The longest jobs first: whatever waits for a core then fits in beside them.
    priority: 20
    conda:
        "../../envs/gof.yaml"
    threads: CONFIG.runtime.train_threads
    resources:
        gpu=CONFIG.runtime.gpus,
    params:
        config=lambda wildcards: scopes.of_stage(
            CONFIG, wildcards.model, int(wildcards.stage)
        ),
        code=lambda wildcards: training_code(wildcards.model),
        folder=subpath(output.state, parent=True),
        previous=lambda wildcards, input: optional("--previous", input.previous),
        conditions=lambda wildcards, input: conditions_options(input),
    shell:
        "exec gof train --config {params.config:q} --model {wildcards.model:q} --seed {wildcards.seed}"
        " --stage {wildcards.stage} --data {input.data:q} {params.previous:q} {params.conditions:q}"
        " --processes {resources.gpu} --out {params.folder:q} > {log:q} 2>&1"
