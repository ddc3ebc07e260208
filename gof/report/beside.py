"""The report of a run: Snakemake's page, with what it shows as files in a folder beside it. Inside
the page, tens of megabytes would open slowly, and browsers show no page of a long data: address."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from gof.run.archives import unpack
from gof.run.files import InputError, atomic_write
from gof.run.outputs import MARK

SHOWN = "data/raw/"  # in Snakemake's archive, before a file that its page shows


def lay_out(packed: Path, page: Path) -> None:
    """Write Snakemake's zipped report as `page`, and what it shows into a folder beside it
    (report_files), in place of those of a run before. Raises InputError where it is none, and
    where somebody else's folder has that name."""
    folder = page.with_name(f"{page.stem}_files")
    if folder.exists() and not (folder / MARK).is_file():
        raise InputError(f"{folder}: was not written by a report: move it away")
    with TemporaryDirectory(prefix=".report-", dir=page.parent) as place:
        unpack(packed, Path(place, "all"))
        found = list(Path(place, "all").glob("*/report.html"))
        if len(found) != 1:
            raise InputError(f"{packed}: no report of Snakemake")
        text = found[0].read_text(encoding="utf-8").replace(f'"{SHOWN}', f'"{folder.name}/')
        files = found[0].parent / SHOWN
        files.mkdir(parents=True, exist_ok=True)  # a report may show nothing
        (files / MARK).touch()
        if folder.exists():
            os.rename(folder, Path(place, "old"))
        os.rename(files, folder)
        atomic_write(page, text)
