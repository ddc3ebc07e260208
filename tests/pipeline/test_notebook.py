"""The notebook runs as it stands."""

import json
import os
import subprocess
import sys

import pytest

from tests.workflow import ROOT

pytestmark = pytest.mark.slow
NOTEBOOK = ROOT / "docs" / "heads.ipynb"


def cells():
    found = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def test_every_cell_runs_after_those_before(tmp_path):
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join(cells()))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    call = [sys.executable, str(script)]
    done = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "head.glb").stat().st_size > 100_000


def test_it_is_stored_as_it_ran():
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            kinds = {out["output_type"] for out in cell["outputs"]}
            assert "error" not in kinds and "stream" not in kinds
            assert kinds or "def " in "".join(cell["source"])
