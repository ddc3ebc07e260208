"""The command line as a whole: help, exit statuses, signals, what comes before the verb."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import torch

import gof.cli.main as cli
from gof.cli.registry import VERBS
from gof.run.files import InputError, MachineError

TOY = """
import sys, types
from dataclasses import dataclass
import gof.cli.main
from gof.cli.registry import VERBS, Verb
@dataclass(frozen=True)
class Job:
    'No options.'
def run(job):
    {body}
sys.modules['toy'] = types.ModuleType('toy')
sys.modules['toy'].Job, sys.modules['toy'].run = Job, run
VERBS.register(Verb('toy', 'Play.', 'gof toy', 'toys', 'toy:Job', 'toy:run', 'nothing'))
gof.cli.main.main({words})
"""

UNFIT = json.dumps(
    {
        "datasets": {"heads": {"source": "heads"}},
        "models": {"a": {"integrator": "occupancy", "stages": [{"resolution": 16, "steps": 1}]}},
        "metrics": {"views": {"resolution": 128}, "depth": {"score_resolution": 64}},
    }
)


def run(*words, **environment):
    call = [sys.executable, "-m", "gof", *words]
    env = {**os.environ, **environment}
    return subprocess.run(call, capture_output=True, text=True, env=env)


def toy(body, *words):
    return [sys.executable, "-c", TOY.format(body=body, words=list(words))]


def test_help_is_quick_and_imports_nothing_slow():
    times = []
    for _ in range(5):  # the processor's time: what a machine with nothing else to do would take
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3
    slow = "('torch', 'numpy', 'mlflow', 'pandas', 'snakemake', 'pydantic', 'cyclopts', 'rich')"
    code = "import sys; from gof.cli.main import Top; Top().format_help()"
    code += f"; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_verb_in_its_group_with_the_exit_statuses():
    text = run("--help").stdout
    for verb in VERBS.all().values():
        group = text.split(f"\n{verb.group}:\n")[1].split("\n\n")[0]
        assert f"  {verb.name} " in group and verb.summary in group
    assert cli.EXITS in text and "example: gof " in text


GIVEN = ("--generator", "none.yaml", "--out", "x.png")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 2, "no VERB"),
        (["trian"], 2, "no verb 'trian': did you mean train?"),
        (["--threads", "x", "check"], 2, "--threads"),
        (["train", "--frobnicate"], 2, "--model is missing, and --frobnicate is no option"),
        (["check", "--confg", "x"], 2, "Did you mean --config?"),
        (["mesh", "--out", "x.glb"], 2, "mesh: --generator is missing"),
        (["mesh", "--out", "x.glb", "--generator", "g", "y", "z"], 2, "y z: belongs to no option"),
        (["mesh", "--out", "x.glb", "--generator"], 2, "--generator"),
        (
            [*["edit", "--generator", "g", "--factor", "f", "--out", "x", "--seed", "x"]],
            2,
            "--seed: unable to",
        ),
        (["download", "--asset", "haed", "--out", "x"], 3, "no asset 'haed', only head, features"),
        (["check"], 3, "gof check: no config.yaml in this folder"),
        (["train", "--model", "x", "--data", "y", "--out", "z"], 3, "gof train: no config.yaml"),
        (["check", "--config", "none.yaml"], 3, "none.yaml"),
        (["check", "--config", '{"sead": 3}'], 3, "sead: unknown key"),
        (["check", "--config", UNFIT], 3, "must be a multiple of views.resolution (128)"),
        (
            ["check", "--config", '{"common": {"field": 3}, "models": {"a": {}}}'],
            3,
            "models.a.field",
        ),
        (["check", "--config", '{"datasets": {"a": {"source": "x"}}}'], 3, "datasets.a: no source"),
        (["samples", "--config", "{}", "--generator", "none.yaml", "--out", "x.json"], 3, "none"),
        (["samples", "--generator", "none.yaml", "--out", "x.json"], 3, "none.yaml: no such"),
        (["mesh", "--generator", "none.yaml", "--out", "x.stl"], 3, ".json, .ply, .glb, .obj"),
        (["bench", "--config", "{}", "--rows", "nose"], 3, "--rows: no row 'nose'; there are"),
    ],
)
def test_wrong_use_is_one_line_and_its_own_status(words, status, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("gof: error: ")
    if "--threads" not in words:  # argparse shows the usage, too
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x: wrong"), 3),
        (MachineError("disk"), 4),
        (ArithmeticError("loss is not finite"), 5),
        (MemoryError(), 4),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), 4),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 4),
        (RuntimeError("two\nlines"), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(75), 75),
    ],
)
def test_every_error_has_its_status(error, status, monkeypatch, capsys):
    def fails(*_):
        raise error

    monkeypatch.setattr("gof.cli.upkeep.run_schema", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main(["schema"])
    assert ended.value.code == status
    assert capsys.readouterr().err.count("\n") == (0 if status in (75, 130) else 1)


def test_debug_shows_the_traceback():
    done = run("--debug", "check", "--config", "none.yaml")
    assert "Traceback" in done.stderr
    assert "Traceback" in run("check", "--config", "none.yaml", GOF_DEBUG="1").stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_verb_with_their_status(number, status):
    call = toy("import time; print('ready', flush=True); time.sleep(60)", "toy")
    process = subprocess.Popen(call, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(20) == status


def test_threads_reach_torch():
    call = toy("import torch; print(torch.get_num_threads())", "--threads", "1", "toy")
    assert subprocess.run(call, capture_output=True, text=True).stdout.strip() == "1"


@pytest.mark.parametrize(
    "words",
    [
        ("samples", "--out", "x.png"),
        ("render", "--out", "x/"),
        ("video", "--out", "x.gif"),
        ("mesh", "--out", "x.ply"),
        ("edit", "--factor", "pose", "--out", "x.png"),
        ("views", "--out", "x/"),
    ],
)
def test_a_device_reaches_every_verb_that_draws(words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOF_DEVICE", "cpu")  # put back at the end
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    verb, *more = words
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--device", "cuda", verb, "--generator", "heads-cgof", *more])
    assert stopped.value.code == 3
    assert "--device cuda: no GPU is visible" in capsys.readouterr().err


def test_several_processes_do_the_call_together(monkeypatch):
    asked = []
    monkeypatch.setattr("gof.cli.ranks.run_ranks", asked.append)
    monkeypatch.setattr("gof.conditioning.train.run_train", lambda *_: None)
    monkeypatch.delenv("RANK", raising=False)
    words = ["train", "--model", "gof", "--data", "d", "--out", "o", "--processes"]
    cli.main([*words, "2"])
    cli.main([*words, "1"])
    monkeypatch.setenv("RANK", "1")
    cli.main([*words, "2"])
    assert asked == [2]


def test_a_mesh_is_made_in_any_folder(obedience, tmp_path, monkeypatch):
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    out = tmp_path / "x" / "head.glb"
    done = run("mesh", "--generator", str(obedience.generator("gof")), "--out", str(out))
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"wrote {out}, {out.with_suffix('.json')}"
    assert out.read_bytes()[:4] == b"glTF"
    assert not list(place.iterdir())


@pytest.mark.parametrize("words", [["samples", "--help"], ["schema"]])
def test_a_reader_that_has_seen_enough_is_no_error(words) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    call = [sys.executable, "-m", "gof", *words]
    done = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode in (1, 141) and done.stderr == ""  # 1: from the printer of help
