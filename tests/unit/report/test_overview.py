import base64
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gof.report.overview import overview, sheets, table_html, trained
from gof.report.records import Record
from gof.report.typeset import Cell, Table
from gof.run.files import write_png


def record(path: Path, kind: str, model: str, seed: str = "0", **numbers: int) -> Record:
    wall = 60.0 * numbers.pop("minutes", 0)
    return Record(path, "heads", model, seed, "node", kind, "", False, numbers, wall, 100)


@pytest.fixture
def kept(tmp_path: Path) -> list[Record]:
    """Two models, the first trained twice, one sheet of 800 x 100."""
    found = []
    for model, seed in (("gof", "0"), ("gof", "1"), ("pigan_long", "0")):
        place = tmp_path / model / seed
        place.mkdir(parents=True)
        for number, size in enumerate((16, 32)):
            steps = {"step": 700 * (number + 1), "resolution": size, "minutes": 2 + number}
            found.append(record(place / f"stage{number}.json", "train", model, seed, **steps))
        found.append(record(place / "samples.json", "samples", model, seed))
    picture = np.zeros((100, 800, 3), np.uint8)
    picture[..., 1] = 200
    write_png(tmp_path / "gof" / "0" / "sheet.png", picture)
    return found


def test_what_was_trained_is_summed_up_by_model(kept) -> None:
    table = trained(kept)
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts == [
        ["GOF", "2", "1,400", "16 → 32", "10.0"],
        ["pi-GAN long", "1", "1,400", "16 → 32", "5.0"],
    ]


def test_the_picture_of_the_first_seed_lies_in_the_page(kept, tmp_path) -> None:
    sheet = tmp_path / "gof" / "0" / "sheet.png"
    assert sheets(kept) == {"GOF": sheet}
    assert sheets([*kept, replace(kept[0], dataset="cars")]) == {"GOF on heads": sheet}
    page = overview(kept, [])
    (data,) = re.findall(r"data:image/webp;base64,([^\"]+)", page)
    image = Image.open(BytesIO(base64.b64decode(data)))
    assert image.size == (640, 80)
    assert np.abs(np.asarray(image.convert("RGB")) - [0, 200, 0]).max() < 12
    assert "http" not in page


def test_a_table_marks_the_best_and_holds_no_foreign_markup() -> None:
    rows = [[Cell("<b>x</b>"), Cell("1", best=True)], None, [Cell("y"), Cell("2")]]
    text = table_html(Table("A & B", ["", "FD ↓"], rows, ["a < b"]))
    assert "A &amp; B" in text and "&lt;b&gt;x&lt;/b&gt;" in text and "a &lt; b" in text
    assert text.count("<b>") == 1 and "<b>1</b>" in text
    assert text.count("<tr") == 4 and 'colspan="2"' in text
    assert "<details>" not in table_html(Table("A", ["", "FD"], rows))
