"""The commands that README and docs name do what they say."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from PIL import Image

from gof.config.reading import merged, read
from gof.data.manifest import load_manifest
from gof.data.reader import load_images
from tests.pipeline.test_plan import JOBS
from tests.workflow import ROOT, SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # with the run they look at
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
LINES = [
    line.split("#")[0]
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
]
COMMANDS = list(dict.fromkeys(part.strip() for line in LINES for part in line.split("&&")))
# Files that a page asks its reader to write.
WRITTEN = re.findall(r"```yaml\n# (\w+\.yaml)\n(.*?)```", TEXT, re.S)
# What CI runs as it stands in the README, and what test_site.py runs.
INSTALLING = ("python3 -m venv", ". .venv/", "pip install", "python -m pytest", "sphinx-build")
FEWER = {"invert": ("--steps", "2", "--tuning", "1")}  # what takes minutes by itself
DATA = ("download", "head_model", "dataset")
FACES = ("landmarks", "fits", "pool")
TRAINING = {name: JOBS[name] for name in (*DATA, *FACES, "train")}
TRAINING["regressor"] = 1  # nobody judges
TRAINING["download"] = 1  # and nothing compares images
SMOKED = JOBS | {"train": 7}  # its stages are fewer
PLANS = {
    "snakemake --cores all": JOBS,
    f"snakemake --cores all {' '.join(SMOKE)}": SMOKED,
    "snakemake --cores all models": TRAINING | {"models": 1},
    "snakemake --cores all -R train -- models": TRAINING | {"models": 1},
    "snakemake --cores all results/heads/gof/seed0/stage2/stage.json": {
        **dict.fromkeys(DATA, 1),
        "train": 3,
    },
    "snakemake --cores all --configfile workflow/configs/seeds.yaml": JOBS
    | {"train": 27, "samples": 9, "mesh": 9, "views": 9, "evaluate": 72, "show_control": 3},
    "snakemake --cores all --resources gpu=16 --configfile workflow/configs/ablations.yaml": JOBS
    | dict.fromkeys(("samples", "mesh", "views"), 13)
    | {"train": 39, "evaluate": 106, "show_control": 5},
    "snakemake --cores all --configfile workflow/configs/photographs.yaml": {},
    "snakemake --cores all --configfile workflow/configs/faces.yaml": {},
    "snakemake --cores all --configfile smooth.yaml": JOBS
    | dict.fromkeys(("samples", "mesh", "views"), 4)
    | {"train": 12, "evaluate": 31},
    "snakemake --cores all results/heads/cgof/seed0/stage2/stage.json": {
        **dict.fromkeys((*DATA, *FACES, "regressor"), 1),
        "train": 3,
    },
    "snakemake --cores all -n": JOBS,
    "snakemake --cores all bench": {**dict.fromkeys(DATA, 1), "train": 3, "bench": 1},
}
GOF = [command for command in COMMANDS if command.startswith("gof ")]
MLFLOW = [command for command in COMMANDS if command.startswith("mlflow ")]


def test_every_command_is_tested_here_or_run_by_ci():
    tested = (*PLANS, *GOF, *MLFLOW)
    assert [c for c in COMMANDS if c not in tested and not c.startswith(INSTALLING)] == []
    assert len(GOF) >= 7


@pytest.mark.parametrize("command", PLANS)
def test_snakemake_plans_what_the_readme_says(copied, command):
    (copied.folder / "photographs").mkdir()
    for name, text in WRITTEN:
        (copied.folder / name).write_text(text)
    done = copied.run("-n", *shlex.split(command)[1:])
    assert done.status == 0, done.text[-3000:]
    if PLANS[command]:
        assert done.jobs == PLANS[command]
    if "photographs.yaml" in command:
        assert "--model pigan" in done.text and "--model cgof" not in done.text


def test_training_again_reruns_nothing_else(finished):
    words = [*SMOKE, "-n", "--cores", "all", "-R", "train", "--", "models"]
    assert finished.run(*words).jobs == {"train": 7, "models": 1}


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """A folder with the results of a run, its configuration and photographs of one's own."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("results", "results-before"):
        (folder / name).symlink_to(finished.folder / "results-smoke")
    for name in ("workflow", "docs"):
        (folder / name).symlink_to(finished.folder / name)
    for name, text in WRITTEN:
        (folder / name).write_text(text)
    files = [finished.folder / "config.yaml", finished.folder / SMOKE[1]]
    (folder / "config.yaml").write_text(yaml.safe_dump(merged(*map(read, map(str, files)))))
    images = load_images(load_manifest(folder / "results/heads/data/manifest.json"), "train", 64)
    (folder / "photographs").mkdir()
    for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        photograph = Image.fromarray(image).resize((160, 160))
        photograph.save(folder / "photographs" / f"{number}.jpg")
    photograph.save(folder / "photograph.jpg")
    return folder


def environment(finished):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    nowhere = {"https_proxy": "http://127.0.0.1:9"}  # nothing is downloaded
    return {**os.environ, **nowhere, "PATH": path, "PYTHONPATH": str(finished.folder)}


@pytest.mark.parametrize("command", GOF)
def test_a_verb_leaves_what_it_is_asked_for(finished, place, command):
    own = command.replace("gof/seed0/stage2", "gof/seed0/stage1")  # of the smoke run the last
    own = own.replace("cgof/seed0/stage1", "cgof/seed0/stage2")
    words = shlex.split(own)
    words += FEWER.get(words[1], ())
    if "--like" in words and not (place / words[words.index("--like") + 1]).exists():
        pytest.skip("the fit before it found no detector")
    done = subprocess.run(
        words, cwd=place, env=environment(finished), capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    if words[1] == "fit" and done.returncode:  # where the detector's weights are not at hand
        assert "cannot be downloaded" in said and "Traceback" not in said
        return
    if words[1] == "check-results":  # of a run whose numbers mean nothing
        assert "numbers lie where 95% of trainings do" in said
        return
    assert done.returncode == 0, said[-3000:]
    if "--out" not in words:
        return
    out = Path(words[words.index("--out") + 1])
    assert (place / out).exists()
    assert str(out) in said.splitlines()[-1]
    assert not (place / "results" / "heads" / out.name).exists()


@pytest.mark.parametrize("command", MLFLOW)
def test_the_tracker_opens_the_runs(finished, place, command):
    words = [*shlex.split(command), "--port", "5917", "--workers", "1"]
    server = subprocess.Popen(
        words, cwd=place, env=environment(finished), start_new_session=True, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:5917/", timeout=5) as page:
                    assert b"MLflow" in page.read()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.5)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
