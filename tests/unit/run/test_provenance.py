import importlib

import pytest

from gof.fields.registry import FIELDS
from gof.run import provenance


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small package in place of gof: a imports b, c stands alone."""
    root = tmp_path / "gof"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "a.py").write_text("from gof.b import x\n\n\ndef f():\n    return x\n")
    (root / "b.py").write_text('"""Doc."""\nx = 1\n')
    (root / "c.py").write_text("def g():\n    from gof import b\n    return b.x\n")
    (root / "d.py").write_text("z = 3\n")

    def fresh():
        module = importlib.reload(provenance)
        monkeypatch.setattr(module, "ROOT", root)
        return module

    yield root, fresh
    importlib.reload(provenance)


def test_imports_are_followed_inside_functions_too(tree):
    _, fresh = tree
    module = fresh()
    assert module.closure("gof.a") == ("gof.a", "gof.b")
    assert module.closure("gof.c") == ("gof.b", "gof.c")


def test_hash_changes_with_the_code_a_module_uses_and_nothing_else(tree):
    root, fresh = tree
    before = {name: fresh().code_hash(f"gof.{name}") for name in "abcd"}
    (root / "b.py").write_text('"""Other words."""\n# a comment\nx   =  1\n')
    assert {name: fresh().code_hash(f"gof.{name}") for name in "abcd"} == before
    (root / "b.py").write_text("x = 2\n")
    after = {name: fresh().code_hash(f"gof.{name}") for name in "abcd"}
    assert [name for name in "abcd" if after[name] != before[name]] == ["a", "b", "c"]


def test_neutral_modules_do_not_count():
    names = provenance.closure("gof.pictures.views")
    assert "gof.models.pretrained" in names
    assert not set(names) & set(provenance.NEUTRAL)


def test_modules_left_out_count_no_more_than_what_only_they_import(tree):
    _, fresh = tree
    module = fresh()
    assert module.closure("gof.a", without=("gof.b",)) == ("gof.a",)


def test_an_unconditional_training_does_not_depend_on_what_only_conditions_need():
    plain = set(provenance.closure("gof.training.stage"))
    conditional = set(provenance.closure("gof.conditioning.conditioner"))
    assert {"gof.training.steps", "gof.models.pretrained", "gof.rendering.render"} <= plain
    rooms = {name.split(".")[1] for name in plain}
    assert not rooms & {"conditioning", "readers", "fitting", "heads"}
    assert "gof.losses.conditional" not in plain
    assert {"gof.losses.conditional", "gof.readers.files", "gof.conditioning.terms"} <= conditional
    assert "gof.conditioning.pool" not in conditional  # a stage depends on its hash
    field = FIELDS["film_siren"].module
    assert provenance.stage_code(False, field) != provenance.stage_code(True, field)


def test_a_training_depends_on_the_code_of_its_own_field():
    bare = set(provenance.closure("gof.training.stage"))
    assert not bare & {"gof.fields.film_siren", "gof.fields.kernels.cpu"}
    own = set(provenance.closure(FIELDS["film_siren"].module))
    assert {"gof.fields.film_siren", "gof.fields.kernels.cpu"} <= own
    codes = [provenance.stage_code(False, name) for name in ("gof.fields.film_siren", "gof.none")]
    assert codes[0] != codes[1] == provenance.code_hash("gof.training.stage")


def test_a_data_set_depends_on_the_code_of_its_own_source():
    heads, photographs = (
        set(provenance.closure(f"gof.sources.{name}")) for name in ("heads", "photographs")
    )
    assert "gof.heads.render" in heads and "gof.data.photographs" not in heads
    assert "gof.data.photographs" in photographs and "gof.heads.render" not in photographs


def test_a_metric_depends_on_its_own_file_and_what_it_uses():
    def modules(metric):
        return set(provenance.closure(f"gof.metrics.{metric}"))

    measuring = set(provenance.closure("gof.metrics.evaluate"))
    own = {f"gof.metrics.{name}" for name in ("frechet", "surface", "depth", "shape", "landmarks")}
    assert not measuring & own
    for name in ("frechet", "surface", "depth", "shape", "landmarks"):
        assert (measuring | modules(name)) & own == {f"gof.metrics.{name}"}
    network = "gof.metrics.networks.depth_network"
    assert network in modules("depth") and network not in measuring | modules("frechet")
    control = {"gof.metrics.control_context", "gof.metrics.portraits", "gof.readers.files"}
    assert control <= modules("shape") and not control & (measuring | modules("surface"))
    hashes = [provenance.metric_code(module) for module in sorted(own)]
    assert len(set(hashes)) == len(hashes)


def test_metrics_and_reports_are_no_part_of_the_head_model():
    assert not [
        n for n in provenance.closure("gof.data.manifest") if "report" in n or "metrics" in n
    ]


def test_versions_name_the_libraries():
    found = provenance.versions()
    assert set(provenance.LIBRARIES) <= set(found)
    assert found["torch"] != "absent"
