"""The recipe of the container image, which is built elsewhere, is sound."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

RECIPE = Path("envs/Containerfile")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint has no wheel here")
def test_the_linter_finds_nothing():
    done = subprocess.run(["hadolint", RECIPE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_it_copies_is_there_and_all_that_the_workflow_needs():
    copied = re.findall(r"^COPY (.+) \S+$", RECIPE.read_text(), re.M)
    files = {file for line in copied for file in line.split()}
    assert all(Path(file).exists() for file in files)
    assert files >= {"Snakefile", "config.yaml", "workflow", "gof", "envs", "profiles"}
