"""The first page of a run: its pictures, what was trained, its tables; small, in one file, for a
phone as well."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from gof.report.records import Record, label
from gof.report.typeset import Cell, Table
from gof.run.images import open_image

WIDE = 640  # pixels of a picture on the page
HEAD = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What runs gave</title>"""
STYLE = """
.gof { font-family: sans-serif; }
.gof figure { display: inline-block; vertical-align: top; margin: 0 1em 1em 0; }
.gof figure { width: min(22em, 100%); }
.gof figcaption { overflow-wrap: anywhere; }
.gof figure img { max-width: 100%; height: auto; }
.gof .scroll { overflow-x: auto; margin: 0 0 1em; }
.gof table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.gof th, .gof td { padding: .2em .7em; text-align: right; white-space: nowrap; }
.gof th:first-child, .gof td:first-child { text-align: left; }
.gof thead th { border-bottom: 1px solid; }
.gof tr.rule td { border-top: 1px solid #aaa; padding: 0; }
.gof details { margin: 0 0 2em; font-size: .85em; }
"""


def overview(records: Sequence[Record], tables: Sequence[Table]) -> str:
    """HTML of the page: the sample sheets of the first seed, which lie beside their records, and
    these tables."""
    pictures = [picture(title, path) for title, path in sheets(records).items()]
    return page([*pictures, *(table_html(table) for table in [trained(records), *tables])])


def page(parts: Sequence[str]) -> str:
    """One page of these."""
    style = f'<style>{STYLE}</style>\n<div class="gof">'
    return "\n".join([HEAD, style, *parts, "</div>\n"])


def sheets(records: Sequence[Record]) -> dict[str, Path]:
    """The sample sheet of each model's first seed, by its title."""
    several = len({record.dataset for record in records}) > 1
    found: dict[str, Path] = {}
    for record in records:
        path = record.path.with_name("sheet.png")
        if record.kind == "samples" and path.is_file():
            on = f" on {record.dataset}" if several else ""
            found.setdefault(f"{label(record.model)}{on}", path)
    return found


def trained(records: Sequence[Record]) -> Table:
    """What was trained and what it took, a row for each model."""
    stages: dict[str, list[Record]] = {}
    for record in records:
        if record.kind == "train":
            stages.setdefault(record.model, []).append(record)
    rows = [
        [
            Cell(label(model)),
            Cell(str(len({(one.dataset, one.seed) for one in own}))),
            Cell(f"{max(int(one.numbers['step']) for one in own):,}"),
            Cell(" → ".join(map(str, dict.fromkeys(one.numbers["resolution"] for one in own)))),
            Cell(f"{sum(one.wall_s for one in own) / 60:.1f}"),
        ]
        for model, own in stages.items()
    ]
    heads = ("", "trainings", "steps", "pixels", "minutes in all")
    return Table("What was trained", heads, rows)


def table_html(table: Table) -> str:
    """A table as HTML; the best of a column is bold, notes open on a click."""
    heads = "".join(f"<th>{html.escape(head)}</th>" for head in table.columns)
    rows = "\n".join(_row(row, len(table.columns)) for row in table.rows)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    told = f"<details><summary>How this was measured</summary><ul>{notes}</ul></details>"
    return (
        f"<h3>{html.escape(table.title)}</h3>\n"
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>\n{told if notes else ''}"
    )


def _row(row: Sequence[Cell] | None, columns: int) -> str:
    if row is None:
        return f'<tr class="rule"><td colspan="{columns}"></td></tr>'
    cells = (f"<b>{html.escape(c.text)}</b>" if c.best else html.escape(c.text) for c in row)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def picture(title: str, path: Path) -> str:
    """A picture inside the page, with its title."""
    image, data = open_image(path).convert("RGB"), BytesIO()
    if image.width > WIDE:
        image = image.resize((WIDE, round(image.height * WIDE / image.width)))
    image.save(data, "WEBP", quality=85)
    text = base64.b64encode(data.getvalue()).decode()
    shown = html.escape(title)
    return (
        f'<figure><figcaption>{shown}</figcaption><img alt="heads of {shown}"'
        f' src="data:image/webp;base64,{text}"></figure>'
    )
