import zipfile

import pytest

from gof.report.beside import lay_out
from gof.run.files import InputError


def packed(folder, files, page='<a href="data/raw/1a/sheet.png">x</a>'):
    path = folder / "report.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"report/data/raw/{name}", text)
        if page:
            archive.writestr("report/report.html", page)
    return path


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_page_finds_what_it_shows_beside_it(tmp_path) -> None:
    page = tmp_path / "results" / "report.html"
    page.parent.mkdir()
    lay_out(packed(tmp_path, {"1a/sheet.png": "one", "2b/old.png": "two"}), page)
    lay_out(packed(tmp_path, {"1a/sheet.png": "new"}), page)  # of a later run
    assert names(page.parent) == ["report.html", "report_files/.gof", "report_files/1a/sheet.png"]
    assert page.read_text() == '<a href="report_files/1a/sheet.png">x</a>'
    assert (page.parent / "report_files/1a/sheet.png").read_text() == "new"


def test_a_report_may_show_nothing(tmp_path) -> None:
    lay_out(packed(tmp_path, {}), tmp_path / "report.html")
    assert (tmp_path / "report_files").is_dir()


def test_what_is_not_ours_stays(tmp_path) -> None:
    page = tmp_path / "report.html"
    (tmp_path / "report_files").mkdir()
    (tmp_path / "report_files" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="report_files: was not written by a report"):
        lay_out(packed(tmp_path, {"1a/sheet.png": "one"}), page)
    assert names(tmp_path / "report_files") == ["mine.txt"] and not page.exists()


def test_what_is_no_report_changes_nothing(tmp_path) -> None:
    page = tmp_path / "report.html"
    lay_out(packed(tmp_path, {"1a/sheet.png": "one"}), page)
    with pytest.raises(InputError, match="no report"):
        lay_out(packed(tmp_path, {"1a/sheet.png": "new"}, page=""), page)
    (tmp_path / "report.zip").write_text("no zip")
    with pytest.raises(InputError, match="damaged or no archive"):
        lay_out(tmp_path / "report.zip", page)
    assert (tmp_path / "report_files/1a/sheet.png").read_text() == "one"
