from pathlib import Path

from snakemake.utils import min_version

min_version("9.12")


# That of the folder it runs in, which --directory or -s may make another than this one.
configfile: "config.yaml" if Path("config.yaml").is_file() else f"{workflow.basedir}/config.yaml"


pathvars:
    results="results",


include: "workflow/rules/common.smk"
include: "workflow/rules/hooks.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/mesh.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/bench.smk"


# Where there are no tables yet, the report opens without them.
config["overview"] = [str(page) for page in RESULTS.glob("tables/overview.html")]


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.figures.output,
        each_model("samples/samples.json"),
        each_model("meshes/meshes.json"),


# The data sets and their assets alone.
rule data:
    input:
        each_dataset("data/manifest.json"),


# All trained generators.
rule models:
    input:
        [last_stage(*run, "generator.yaml") for run in TRAININGS],
