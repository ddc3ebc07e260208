import errno
import os
import signal
import subprocess
import sys
import time

import pytest

import gof.cli.main as cli
from gof.cli import verbs
from gof.cli.options import configuration
from gof.run.files import InputError, MachineError


def run(*words, **environment):
    call = [sys.executable, "-m", "gof", *words]
    env = {**os.environ, **environment}
    return subprocess.run(call, capture_output=True, text=True, env=env)


def test_help_is_quick_and_does_not_import_torch():
    times = []
    for _ in range(3):
        start = time.monotonic()
        assert run("--help").returncode == 0
        times.append(time.monotonic() - start)
    assert min(times) < 1.0
    slow = "('torch', 'mlflow', 'pandas', 'snakemake')"
    code = "import sys; from gof.cli.main import parser; parser()"
    code += f"; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", verbs.VERBS)
def test_help_of_every_verb_says_what_it_does_and_gives_an_example(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "example: " in text
    assert "gof" in text.split("example: ")[1]


@pytest.mark.parametrize("name", verbs.VERBS)
def test_examples_are_accepted_by_the_parser(name):
    example = verbs.VERBS[name][0].__doc__.strip().split("\n\n")[1].strip()
    words = example.split(" > ")[0].split()
    words = words[words.index("gof") + 1 :]
    assert cli.parser().parse_args(words).verb == name


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 2, "VERB"),
        (["trian"], 2, "trian"),
        (["train", "--frobnicate"], 2, "required"),
        (["check", "--config", "none.yaml"], 3, "none.yaml"),
        (["check", "--config", '{"sead": 3}'], 3, "sead: unknown key"),
        (
            ["check", "--config", '{"common": {"field": 3}, "models": {"a": {}}}'],
            3,
            "models.a.field",
        ),
        (["check", "--config", '{"datasets": {"a": {"source": "x"}}}'], 3, "datasets.a: no source"),
        (["samples", "--config", "{}", "--generator", "none.yaml", "--out", "x.json"], 3, "none"),
        (["bench", "--config", "{}", "--rows", "nose"], 3, "--rows: no row 'nose'; there are"),
    ],
)
def test_wrong_use_is_one_line_and_its_own_status(words, status, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    if status == 3:
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("gof: error: ")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x: wrong"), 3),
        (MachineError("disk"), 4),
        (ArithmeticError("loss is not finite"), 5),
        (MemoryError(), 4),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 4),
        (RuntimeError("two\nlines"), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(75), 75),
    ],
)
def test_every_error_has_its_status(error, status, monkeypatch, capsys):
    def fails(_):
        raise error

    monkeypatch.setitem(verbs.VERBS, "check", (fails, []))
    fails.__doc__ = "What.\n\ngof check"
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == status
    assert capsys.readouterr().err.count("\n") == (0 if status in (75, 130) else 1)


def test_debug_shows_the_traceback():
    done = run("--debug", "check", "--config", "none.yaml")
    assert "Traceback" in done.stderr
    assert "Traceback" in run("check", "--config", "none.yaml", GOF_DEBUG="1").stderr


def test_sigterm_ends_a_verb_with_143():
    code = (
        "import time, gof.cli.verbs as v, gof.cli.main as c\n"
        "def wait(_):\n"
        "    'Wait.\\n\\ngof check'\n"
        "    print('ready', flush=True); time.sleep(60)\n"
        "v.VERBS['check'] = (wait, [])\n"
        "c.main(['check'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def test_runtime_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("GOF_RUNTIME", '{"runtime": {"log_every": 7}}')
    options = cli.parser().parse_args(["check", "--config", '{"seeds": [4]}'])
    config = configuration(options)
    assert (config.seeds, config.runtime.log_every) == ((4,), 7)


def test_threads_reach_torch(tmp_path):
    code = (
        "import gof.cli.verbs as v, gof.cli.main as c\n"
        "def count(_):\n"
        "    'Count.\\n\\ngof check'\n"
        "    import torch; print(torch.get_num_threads())\n"
        "v.VERBS['check'] = (count, [])\n"
        "c.main(['--threads', '1', 'check'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1"
