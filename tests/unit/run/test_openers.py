"""Foreign files are opened in one place for each kind, which sets the limits; nothing else does."""

import ast
from pathlib import Path

import pytest

ALLOWED = {
    "torch.load": {"gof/run/weights.py"},
    "pickle.load": set(),
    "pickle.loads": set(),
    "_Unpickler": {"gof/run/object_arrays.py"},  # that rebuilds arrays and containers alone
    "np.load": {"gof/run/files.py"},
    "Image.open": {"gof/run/images.py"},
    "safetensors.torch.load": {"gof/run/tensors.py"},
    "safetensors.torch.load_file": set(),
    "safetensors.safe_open": {"gof/data/shards.py"},  # header alone, whose size was checked
    "urllib.request.urlopen": set(),
    "urllib.request.build_opener": {"gof/run/receiving.py"},
    "torch.hub.download_url_to_file": set(),
    "torch.hub.load": set(),
    "trimesh.load": set(),
    "trimesh.load_scene": {"gof/cars/models.py"},  # of an asset whose hash is known
    "loadmat": {"gof/morphable/matlab.py"},
    "tarfile.open": {"gof/run/archives.py"},
    # Archives, within limits, and assets whose hash is that of the published file.
    "zipfile.ZipFile": {
        "gof/run/archives.py",
        "gof/run/object_arrays.py",
        "gof/heads/asset.py",
        "gof/metrics/networks/efficientnet.py",
        "gof/morphable/face_mesh.py",
    },
    "shutil.copyfileobj": set(),
    "yaml.load": set(),
}


def calls() -> list[tuple[str, str]]:
    """Every call in the package: its dotted name, and the file it stands in."""
    found = []
    for path in sorted(Path("gof").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                found.append((ast.unparse(node.func), path.as_posix()))
    return found


@pytest.mark.parametrize("name", ALLOWED)
def test_each_kind_of_foreign_file_has_one_opener(name) -> None:
    assert {path for called, path in calls() if called == name} == ALLOWED[name]


def test_nothing_is_unpickled_by_a_keyword() -> None:
    for path in Path("gof").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
                assert (node.arg, node.value.value) not in (
                    ("allow_pickle", True),
                    ("weights_only", False),
                ), path
