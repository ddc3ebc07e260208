"""The verbs that tell what was found: tables, figures, the README's blocks, the bench."""

from __future__ import annotations

from pathlib import Path

from gof.options import CONFIG, RECORDS, Options, Verbs, configuration, file, out

BENCH = (
    "field-large",
    "field-small",
    "field-training",
    "image",
    "image-surface-psnr",
    "training-step",
    "mesh",
    "normals",
    "data",
    "raster",
    "default-run",
    "smoke-run",
    "growth",
)


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
    """Measure what the parts cost, each beside the most the machine could do.

    gof bench --rows field-large,mesh
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
            ("--rows", {"help": f"some of {', '.join(BENCH)}, with commas between (default: all)"}),
            ("--results", {"type": Path, "default": Path("results"), "help": "a finished run"}),
            ("--out", {"type": Path, "default": Path("results/bench.json"), "help": "to write"}),
        ],
    ),
}
