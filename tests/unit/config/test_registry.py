import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from gof.config import registry
from gof.config.errors import ConfigError
from gof.config.registry import Registry, load_plugins


@dataclass(frozen=True)
class Entry:
    name: str
    value: int = 0


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of modules with one entry, with two and with none."""
    folder = tmp_path / "some_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    start = "from tests.unit.config.test_registry import Entry\n"
    (folder / "b.py").write_text(f"{start}ENTRY = Entry('second', 2)\n")
    (folder / "a.py").write_text(f"{start}ENTRY = Entry('first', 1)\n")
    (folder / "c.py").write_text("OTHER = 3\nraise RuntimeError('imported')\n")
    (folder / "d.py").write_text(f"{start}ENTRY = (Entry('third', 3), Entry('fourth', 4))\n")
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
        ("third", 3),
        ("fourth", 4),
    ]
    assert entries["second"].value == 2


def test_an_unknown_name_is_refused_with_those_there_are(room):
    with pytest.raises(
        ConfigError, match="no thing named 'fifth'; there are first, second, third, fourth"
    ):
        Registry("thing", room, "ENTRY")["fifth"]


def test_others_are_added_and_taken_back(room):
    entries = Registry("thing", room, "ENTRY")
    added = entries.register(Entry("fifth", 5))
    assert entries.register(Entry("fifth", 5)) == added, "the same again is no other"
    assert list(entries.all())[-1] == "fifth" and entries["fifth"] == added
    assert entries.find("fifth") == added and entries.find("sixth") is None
    entries.forget("fifth")
    entries.forget("fifth")
    assert list(entries.all()) == ["first", "second", "third", "fourth"]


def test_names_are_taken_once(room):
    entries = Registry("thing", room, "ENTRY")
    entries.register(Entry("early"))
    for name in ("early", "second"):
        with pytest.raises(ConfigError, match=f"a thing named '{name}' is there already"):
            entries.register(Entry(name, 7))
    assert (entries["early"].value, entries["second"].value) == (0, 2)


def test_no_plugin_hinders_what_is_the_rooms_own(room, plugins):
    plugins("breaks", "raise RuntimeError\n")
    entries = Registry("thing", room, "ENTRY")
    assert entries["first"].value == 1 and entries.find("second").value == 2


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
    with pytest.raises(
        ConfigError,
        match=r"plugin breaks \(breaks\): RuntimeError: two lines: mend or uninstall it",
    ):
        Registry("thing", room, "ENTRY").all()
