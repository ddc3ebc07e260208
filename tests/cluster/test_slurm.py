"""The smoke configuration through profiles/slurm on a Slurm of this one machine, one training
cancelled half-way and all cut off by their time limit, ends as it does without a cluster.

As root, where Debian's slurm-wlm and munge are installed: python -m pytest -m hours tests/cluster
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow import SMOKE, copy_workflow

SCRIPT = Path(__file__).with_name("slurm.sh")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
pytestmark = [
    pytest.mark.hours,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason="needs root, slurm-wlm and munge",
    ),
]
# Without an accounting database, on a small machine, with a limit of a minute and no word before:
# Slurm would send that up to a minute early.
PROFILE = (
    *("--workflow-profile", "profiles/slurm", "--slurm-no-account"),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"),
    *("--seconds-between-status-checks", "2", "--latency-wait", "5"),
    *("--set-threads", "train=1", "dataset=2", "--retries", "8"),
    *("--set-resources", "train:runtime=1", "train:slurm_extra=''"),
)
STEPS = 3000  # of a stage: longer than a minute, which is the limit of a job
TRAININGS = ("gof", "pigan")
FILES = ("stage1/generator.safetensors", "stage1/state.safetensors", "metrics/surface.json")


@pytest.fixture(scope="module")
def cluster():
    subprocess.run([SCRIPT, "up"], check=True)
    yield
    subprocess.run([SCRIPT, "down"], check=True)


def targets():
    return [f"results-smoke/heads/{name}/seed0/{file}" for name in TRAININGS for file in FILES]


def prepared(folder):
    """A workflow whose first stages last minutes."""
    workflow = copy_workflow(folder)
    stages = [
        {"resolution": 8, "steps": STEPS, "batch": 8, "micro_batch": 8, "fade_steps": 0},
        {"resolution": 16, "steps": 8, "batch": 8, "micro_batch": 8, "fade_steps": 4},
    ]
    own = {"models": {name: {"stages": stages} for name in TRAININGS} | {"cgof": None}}
    own["runtime"] = {"checkpoint_every": 50, "gpus": 0, "log_every": 100}
    own["tracking"] = {"enabled": False}
    (workflow.folder / "cluster.yaml").write_text(json.dumps(own))
    return workflow


def waiting(condition, seconds):
    for _ in range(seconds):
        if found := condition():
            return found
        time.sleep(1)
    raise AssertionError(f"nothing after {seconds} s")


def job_of(model):
    """The running Slurm job that trains a model's first stage, by the comment that names it."""
    call = ["squeue", "--noheader", "--states=R", "--format=%i %k"]
    lines = subprocess.run(call, capture_output=True, text=True, check=True).stdout.splitlines()
    return next(
        (line.split()[0] for line in lines if f"train_wildcards_heads_{model}_0_0" in line), None
    )


def contents(workflow):
    found = {}
    for target in targets():
        path = workflow.folder / target
        record = path.suffix == ".json"
        found[target] = json.loads(path.read_text())["numbers"] if record else path.read_bytes()
    return found


def test_cancelled_and_cut_off_jobs_go_on_and_end_as_local_ones(cluster, tmp_path):
    local, remote = prepared(tmp_path / "local"), prepared(tmp_path / "remote")
    config = (*SMOKE, "cluster.yaml")
    done = local.run(*targets(), "--cores", "2", *config)
    assert done.status == 0, done.text[-3000:]

    running = remote.start(*targets(), *PROFILE, *config)
    checkpoints = remote.folder / "results-smoke" / "heads" / "gof" / "seed0" / "stage0"
    waiting(lambda: list(checkpoints.glob("checkpoints/*/step-*")), 600)
    subprocess.run(["scancel", waiting(lambda: job_of("gof"), 60)], check=True)
    text, _ = running.communicate()
    assert running.returncode == 0, text[-5000:]

    logs = remote.folder / "results-smoke" / "logs" / "train"
    slurm = list((remote.folder / ".snakemake" / "slurm_logs").rglob("*.log"))
    for name in TRAININGS:
        assert "going on from step" in (logs / f"heads-{name}-seed0-stage0.log").read_text()
    print(len(slurm), "logs of Slurm")
    assert text.count("Error in rule train") >= 3, "one was cancelled, both were cut off"
    assert contents(remote) == contents(local)
