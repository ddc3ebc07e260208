import pytest

from gof.config.errors import ConfigError
from gof.data.settings import OFFERS
from gof.experiment.config import Config
from gof.run.files import InputError
from gof.sources.make import make
from gof.sources.registry import SOURCES

VALUES = {"datasets": {"one": {"source": "heads"}}, "tracking": {"enabled": False}}


def test_an_unknown_data_set_is_refused_with_those_there_are(tmp_path):
    for values, known in ((VALUES, "one"), ({}, "none")):
        with pytest.raises(ConfigError, match=f"no data set named 'two'; known: {known}"):
            make(Config.parse(values), "two", {}, tmp_path / "manifest.json")
    assert not list(tmp_path.iterdir())


def test_a_source_says_what_it_takes_from_other_steps(tmp_path):
    with pytest.raises(InputError, match="--head-model: needed for a data set of heads"):
        make(Config.parse(VALUES), "one", {"other": tmp_path}, tmp_path / "manifest.json")
    with pytest.raises(InputError, match="no such file"):
        missing = {"head_model": tmp_path / "none.npz"}
        make(Config.parse(VALUES), "one", missing, tmp_path / "manifest.json")


def test_what_the_sources_of_the_package_are():
    known = "carla cars cats celeba ffhq heads photographs synface"
    assert list(SOURCES.all()) == known.split()
    for name, source in SOURCES.all().items():
        assert source.name == name and set(source.offers) <= set(OFFERS)
        assert source.section.model_fields["source"].default == name
    assert SOURCES["heads"].inputs == {"head_model": "model/head_model.npz"}
    assert not SOURCES["photographs"].inputs
