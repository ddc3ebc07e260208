"""What `--out` names."""

from pathlib import Path

import pytest

from gof.run.files import InputError
from gof.run.target import Target, placed


@pytest.mark.parametrize(
    ("out", "file"),
    [
        ("x/meshes.json", "x/meshes.json"),
        ("x/head.glb", "x/head.glb"),
        ("x/new", "x/new/meshes.json"),
        ("x/new/", "x/new/meshes.json"),
        ("x/run.v2/", "x/run.v2/meshes.json"),
        ("x/old.glb", "x/old.glb/meshes.json"),  # an existing folder
        (".", "meshes.json"),
    ],
)
def test_a_file_is_itself_and_a_folder_gets_the_usual_name(out, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x" / "old.glb").mkdir(parents=True)
    assert placed(Target(out), "meshes.json", ".glb", ".ply") == Path(file)
    if not out.endswith("v2/"):
        assert placed(Path(out), "meshes.json", ".glb", ".ply") == Path(file)


@pytest.mark.parametrize("out", ["head.stl", "head.GLB", "x.json.gz", "run.v2"])
def test_other_endings_are_refused_in_one_line_that_names_those_there_are(out):
    with pytest.raises(InputError, match=r"known endings are \.json, \.glb; a folder ends in /"):
        placed(Target(out), "meshes.json", ".glb")
