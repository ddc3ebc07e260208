import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from gof.config import registry
from gof.config.reading import ConfigError
from gof.config.registry import Registry, load_plugins


@dataclass(frozen=True)
class Entry:
    name: str
    value: int = 0


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of two modules with an entry and one without."""
    folder = tmp_path / "some_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    start = "from tests.unit.config.test_registry import Entry\n"
    (folder / "b.py").write_text(f"{start}ENTRY = Entry('second', 2)\n")
    (folder / "a.py").write_text(f"{start}ENTRY = Entry('first', 1)\n")
    (folder / "c.py").write_text("OTHER = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "some_room"
    for name in [name for name in sys.modules if name.split(".")[0] == "some_room"]:
        del sys.modules[name]


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Makes modules and entry points that name them."""
    points = []

    def add(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        points.append(EntryPoint(name, name, registry.PLUGINS))

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    load_plugins.cache_clear()
    yield add
    load_plugins.cache_clear()
    for point in points:
        sys.modules.pop(point.name, None)


def test_modules_of_the_room_are_found_in_order(room):
    entries = Registry("thing", room, "ENTRY")
    assert [(name, entry.value) for name, entry in entries.all().items()] == [
        ("first", 1),
        ("second", 2),
    ]
    assert entries["second"].value == 2


def test_an_unknown_name_is_refused_with_those_there_are(room):
    with pytest.raises(ConfigError, match="no thing named 'third'; there are first, second"):
        Registry("thing", room, "ENTRY")["third"]


def test_others_are_added_and_taken_back(room):
    entries = Registry("thing", room, "ENTRY")
    added = entries.register(Entry("third", 3))
    assert list(entries.all()) == ["first", "second", "third"] and entries["third"] is added
    entries.forget("third")
    entries.forget("third")
    assert list(entries.all()) == ["first", "second"]


def test_what_is_added_before_the_room_is_looked_at_stays(room):
    entries = Registry("thing", room, "ENTRY")
    entries.register(Entry("early"))
    assert list(entries.all()) == ["first", "second", "early"]


def test_plugins_register_what_they_add(room, plugins, monkeypatch):
    entries = Registry("thing", room, "ENTRY")
    monkeypatch.setitem(sys.modules, "kept_entries", entries)
    plugins(
        "adds_one",
        "import sys\nfrom tests.unit.config.test_registry import Entry\n"
        "sys.modules['kept_entries'].register(Entry('foreign', 7))\n",
    )
    assert entries["foreign"].value == 7
    assert load_plugins() == ("adds_one",)


def test_a_plugin_that_fails_is_named_in_one_line(room, plugins):
    plugins("breaks", "raise RuntimeError('two\\nlines')\n")
    with pytest.raises(ConfigError, match="plugin breaks: RuntimeError: two lines"):
        Registry("thing", room, "ENTRY").all()
