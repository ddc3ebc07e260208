"""Where the configuration of a call comes from."""

import pytest

from gof.cli.configuration import configuration
from gof.cli.registry import VERBS
from gof.config.errors import ConfigError
from gof.experiment.config import Config

MESH, CHECK = VERBS["mesh"], VERBS["check"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOF_RUNTIME", raising=False)
    return tmp_path


def test_runtime_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("GOF_RUNTIME", '{"runtime": {"log_every": 7}}')
    config = configuration(CHECK, ['{"seeds": [4]}'])
    assert (config.seeds, config.runtime.log_every) == ((4,), 7)


@pytest.mark.parametrize("verb", [MESH, CHECK])
def test_config_yaml_of_the_folder_is_taken_where_none_is_named(folder, verb):
    (folder / "config.yaml").write_text("seeds: [5]\n")
    assert configuration(verb, ()).seeds == (5,)
    assert configuration(verb, ['{"seeds": [4]}']).seeds == (4,)
    assert configuration(verb, ["config.yaml", '{"note": "x"}']).seeds == (5,)


def test_without_one_settings_have_their_defaults_and_nothing_is_tracked():
    config = configuration(MESH, ())
    assert config.meshes == Config().meshes and not config.tracking.enabled


def test_without_one_an_experiment_is_asked_for():
    with pytest.raises(ConfigError, match=r"gof check: no config.yaml in this folder.*--config"):
        configuration(CHECK, ())
