"""The verbs that tell what was found: tables, figures, the README's blocks, the bench."""

from __future__ import annotations

from pathlib import Path

from gof.cli.options import CONFIG, RECORDS, Options, Verbs, configuration, file, out

BENCH = {  # what `gof bench` measures; how, and the ceilings, are in gof/bench
    "field-large": "logits at 2^20 points, 8 layers of 256",
    "field-small": "the same, 4 layers of 64",
    "field-training": "colours and logits, forward and backward",
    "field-training-memory": "peak memory of that",
    "image": "128 px with the paper's samples, and in surface mode",
    "image-surface-psnr": "surface mode against the full render",
    "training-step": "both updates at 64 px, batch 4",
    "mesh-256": "from 256^3 points",
    "mesh-512": "from 512^3 points",
    "normals": "first and second order",
    "data": "1,000 renders of heads",
    "raster": "16 head meshes",
    "default-run": "minutes, from its log",
    "smoke-run": "likewise",
    "growth": "slopes of cost over size, and their figure",
}


def tables(options: Options) -> None:
    """Write the tables from the records of jobs.

    gof tables --published workflow/paper/published.yaml --out tables
    results/heads/*/seed0/metrics/*.json
    """
    from gof.report.tables import run_tables

    run_tables(configuration(options), options.records, options.published, options.out)


def figures(options: Options) -> None:
    """Draw the figures from the records of jobs.

    gof figures --out figures results/heads/*/seed0/stage*/stage.json
    """
    from gof.report.figures import run_figures

    run_figures(configuration(options), options.records, options.out)


def readme(options: Options) -> None:
    """Write the generated blocks of the README from a finished run.

    gof readme --results results
    """
    from gof.report.readme import run_readme

    run_readme(options.results, options.readme)


def bench(options: Options) -> None:
    """Measure what the parts cost, each beside the most that this machine could do in that minute.

    gof bench --rows field-large,mesh-256
    """
    from gof.bench.run import run_bench

    run_bench(configuration(options), options.rows, options.results, options.out)


REPORT_VERBS: Verbs = {
    "tables": (
        tables,
        [CONFIG, RECORDS, file("--published", "published numbers, YAML"), out("folder to write")],
    ),
    "figures": (figures, [CONFIG, RECORDS, out("folder to write")]),
    "readme": (
        readme,
        [
            ("--results", {"type": Path, "default": Path("results"), "help": "a finished run"}),
            ("--readme", {"type": Path, "default": Path("README.md"), "help": "file to change"}),
        ],
    ),
    "bench": (
        bench,
        [
            CONFIG,
            (
                "--rows",
                {
                    "metavar": "ROW,ROW",
                    "help": "what to measure (default: all), of "
                    + "; ".join(f"{name}: {what}" for name, what in BENCH.items()),
                },
            ),
            (
                "--results",
                {
                    "type": Path,
                    "default": Path("results"),
                    "help": "of a default run (default: results)",
                },
            ),
            (
                "--out",
                {
                    "type": Path,
                    "default": Path("results/bench.json"),
                    "help": "JSON to write, a list of rows; tables/bench.md and figures/bench.png"
                    " appear beside it (default: results/bench.json)",
                },
            ),
        ],
    ),
}
