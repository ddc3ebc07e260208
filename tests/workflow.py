"""The workflow as tests run it: copies of it, and one whose smoke line has run."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("gof", "workflow", "profiles", "envs", "Snakefile", "config.yaml", "README.md", "docs")
SMOKE = ("--configfile", "workflow/configs/smoke.yaml")


@dataclass(frozen=True)
class Done:
    """What a call of Snakemake left: its status and all it said."""

    status: int
    text: str

    @property
    def jobs(self) -> dict[str, int]:
        """Planned jobs by rule, without `all`; empty when there is nothing to be done."""
        assert self.status == 0, self.text[-3000:]
        if "Nothing to be done" in self.text:
            return {}
        table = self.text.split("Job stats:")[1].split("total")[0]
        counts = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
        return {name: n for name, n in counts.items() if name != "all"}


@dataclass(frozen=True)
class Workflow:
    """A folder with the workflow in it; the package imported there is the one that lies there.
    seconds: what its run took, where it was run."""

    folder: Path
    seconds: float = 0.0

    def start(self, *words: str, **environment: str) -> subprocess.Popen:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("GOF_", "MLFLOW_"))}
        env["PYTHONPATH"] = str(self.folder)
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *words],
            cwd=self.folder,
            env={**env, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> Done:
        process = self.start(*words, **environment)
        text, _ = process.communicate()
        return Done(process.returncode, text)

    def plan(self, *words: str) -> Done:
        return self.run("-n", "--cores", "2", *words)


def copy_workflow(folder: Path) -> Workflow:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            shutil.copy(source, folder / part)
    return Workflow(folder)


@pytest.fixture(scope="session")
def here():
    """The workflow as it lies in the repository; for plans only."""
    return Workflow(ROOT)


@pytest.fixture
def copied(tmp_path):
    """A copy that a test may change."""
    return copy_workflow(tmp_path / "copy")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy under git in which the smoke line has run once. Tests leave it as they found it."""
    workflow = copy_workflow(tmp_path_factory.mktemp("smoke") / "copy")
    git(workflow, "init", "-q")
    commit(workflow, "all of it")
    start = time.monotonic()
    done = workflow.run("--cores", "all", *SMOKE)
    assert done.status == 0, done.text[-5000:]
    return replace(workflow, seconds=time.monotonic() - start)


def git(workflow, *words):
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *who, *words], cwd=workflow.folder, check=True, capture_output=True)


def commit(workflow, message):
    (workflow.folder / ".gitignore").write_text("results-smoke/\n.snakemake/\n__pycache__/\n")
    git(workflow, "add", "-A")
    git(workflow, "commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture(scope="session")
def make_commit():
    return commit
