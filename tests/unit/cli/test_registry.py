"""Every verb there is, and verbs from outside the package."""

import dataclasses
import inspect
import os
import re
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from docstring_parser import parse_from_object

import gof.cli.main as cli
from gof.cli.parsing import parsed
from gof.cli.registry import VERBS as REGISTRY
from gof.cli.registry import Verb
from gof.config.errors import ConfigError

VERBS = REGISTRY.all()
PLUGIN = '''
from dataclasses import dataclass
from pathlib import Path
from gof.cli.registry import VERBS, Verb
from gof.run.files import write_json
from gof.run.job import job

@dataclass(frozen=True, kw_only=True)
class ToyJob:
    """`gof toy`."""

    times: int = 2
    """how often"""
    out: Path
    """JSON to write"""

def run_toy(config, wanted):
    with job(wanted.out, "toy", config, {}) as running:
        running.numbers = {"times": wanted.times, "seeds": len(config.seeds)}

example, place = "gof toy --out x.json", ("gof_toy:ToyJob", "gof_toy:run_toy")
VERBS.register(Verb("toy", "Play.", example, "toys", *place))
'''


def words_of(verb):
    words = shlex.split(verb.example.split(" > ")[0])
    return words[words.index("gof") + 1 :]


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_a_summary_and_an_example_that_parses(name):
    verb = VERBS[name]
    assert verb.summary.endswith(".") and len(verb.summary) <= 80
    first, *words = words_of(verb)
    assert first == name
    call = parsed(verb, words)
    assert isinstance(call.job, verb.job_class())


@pytest.mark.parametrize("name", VERBS)
def test_help_of_a_verb_shows_every_option_with_a_text(name, capsys):
    cli.main([name, "--help"])
    verb, text = VERBS[name], capsys.readouterr().out
    assert verb.summary in text and text.endswith(f"example: {verb.example}\n")
    own = {field.name for field in dataclasses.fields(verb.job_class())}
    own |= {"config"} if verb.needs != "nothing" else set()
    for option in own:
        flag = option.rstrip("_").replace("_", "-")
        found = re.findall(
            rf"^ [ *]*(?:[A-Z-]+ )?--{flag}(?: [A-Z. ]+)?  +(.*)$", text, re.MULTILINE
        )
        assert len(found) == 1 and found[0].strip(), flag
        assert option == "config" or _text_under(verb.job_class(), option), flag


def _text_under(kind, name):
    """Of a field, of the class or of one it inherits from."""
    params = [p for one in kind.__mro__[:-1] for p in parse_from_object(one).params]
    return next((p.description for p in params if p.arg_name == name), "")


@pytest.mark.parametrize("name", VERBS)
def test_the_function_of_a_verb_takes_its_job(name):
    verb = VERBS[name]
    function, kind = verb.function(), verb.job_class()
    takes = inspect.signature(function).parameters.values()
    needed = [one.annotation for one in takes if one.default is inspect.Parameter.empty]
    assert needed == ([] if verb.needs == "nothing" else ["Config"]) + [kind.__name__]
    assert kind.__dataclass_params__.frozen


def ending(verb):
    """A file that the verb could write: that of its example, or one in its folder."""
    words = words_of(verb)
    path = Path(words[words.index("--out") + 1]) if "--out" in words else Path("bench.json")
    return path.suffix or ".json"


def arguments(kind, out, missing):
    """The least that a job needs, its inputs files that do not exist."""
    hints, given = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        needed = field.default is dataclasses.MISSING
        if field.name == "out" or not needed:
            continue
        hint = hints[field.name]
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        value = missing / field.name
        given[field.name] = choices[0] if choices else (value,) if hint != Path else value
        if hint is str:
            given[field.name] = "shape"
    return kind(**given, out=out)


WRITERS = [
    n for n, v in VERBS.items() if "out" in {f.name for f in dataclasses.fields(v.job_class())}
]


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_the_users_is_refused_and_stays(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    verb, mine = VERBS[name], tmp_path / f"mine{ending(VERBS[name])}"
    mine.write_text("mine")
    job = arguments(verb.job_class(), mine, tmp_path / "none")
    words = [name]
    for field in dataclasses.fields(job):
        value = getattr(job, field.name)
        if value is None or value is False:
            continue
        words += [f"--{field.name.replace('_', '-')}"]
        words += [] if value is True else map(str, value if isinstance(value, tuple) else [value])
    words += ["--config", "{}"] if verb.needs != "nothing" else []
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    error = capsys.readouterr().err
    assert ended.value.code in (3, 4) and error.splitlines()[-1].startswith("gof: error: ")
    assert "Traceback" not in error
    assert mine.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


@pytest.fixture
def plugin(tmp_path):
    """The environment of a process in which a package with a verb is installed."""
    (tmp_path / "gof_toy.py").write_text(PLUGIN)
    info = tmp_path / "gof_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gof-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gof.plugins]\ntoy = gof_toy\n")
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def call(environment, *words):
    command = [sys.executable, "-m", "gof", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_an_installed_package_adds_a_verb(plugin, tmp_path):
    text = call(plugin, "--help").stdout
    assert "\ntoys:\n  toy           Play.\n" in text
    (line,) = [x for x in call(plugin, "toy", "--help").stdout.splitlines() if "--times" in x]
    assert line.split() == ["--times", "INT", "how", "often", "[default:", "2]"]
    out = tmp_path / "new" / "x.json"
    done = call(plugin, "toy", "--config", '{"seeds": [1, 2]}', "--times", "3", "--out", str(out))
    assert done.returncode == 0 and done.stderr.endswith(f"wrote {out}\n")
    assert '"times": 3' in out.read_text() and '"seeds": 2' in out.read_text()


def test_a_plugin_that_fails_is_named_and_hinders_no_verb_of_the_package(plugin, tmp_path):
    (tmp_path / "gof_toy.py").write_text("raise RuntimeError('broken')")
    done = call(plugin, "toy")
    assert done.returncode == 3 and done.stderr == (
        "gof: error: plugin toy (gof_toy): RuntimeError: broken: mend or uninstall it\n"
    )
    assert call(plugin, "mesh", "--help").returncode == 0


def test_a_verb_is_registered_and_called_in_this_process(monkeypatch):
    done = []
    monkeypatch.setattr("gof.cli.upkeep.run_sync", lambda *given: done.append(given))
    verb = Verb("toy", "Play.", "gof toy", "t", "gof.cli.upkeep:SyncJob", "gof.cli.upkeep:run_sync")
    try:
        assert REGISTRY.register(verb) is REGISTRY.register(verb)
        assert REGISTRY.find("toy") == REGISTRY.all()["toy"] == verb
        cli.main(["toy", "a", "b", "--config", '{"seeds": [3]}', "--follow"])
        with pytest.raises(ConfigError, match="'toy' is there already"):
            REGISTRY.register(dataclasses.replace(verb, summary="Other."))
    finally:
        REGISTRY.forget("toy")
    ((config, job),) = done
    assert config.seeds == (3,) and job.places == (Path("a"), Path("b")) and job.follow
    assert REGISTRY.find("toy") is None


def test_names_of_the_package_are_taken():
    with pytest.raises(ConfigError, match="'mesh' is there already"):
        REGISTRY.register(dataclasses.replace(VERBS["mesh"], summary="Mine."))
