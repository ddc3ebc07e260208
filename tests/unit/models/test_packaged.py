"""The generators that come with the package."""

import re
from pathlib import Path

import pytest
import torch

from gof.cli.main import main
from gof.geometry.cameras import camera_rays
from gof.models import packaged, pretrained
from gof.morphable.coefficients import Statistics
from gof.rendering.render import render

NAMES = packaged.names()


def test_there_is_a_generator_of_each_method_and_its_name_is_known() -> None:
    assert NAMES == ["heads-cgof", "heads-gof", "heads-pigan"]


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_has_a_card_and_draws_a_head_before_its_background(name) -> None:
    weights = packaged.FOLDER / f"{name}.safetensors"
    assert weights.stat().st_size <= 4 * 2**20
    card = (packaged.FOLDER / f"{name}.md").read_text()
    assert all(word in card for word in ("Data", "Training", "Measured", "Falls short", "seed"))
    model = pretrained.load(Path(name))
    field = model.bind(model.latents(0, 2), 0.7)
    rays = camera_rays(torch.zeros(2, 2), 16, model.camera.fov_deg)
    seen = render(field, rays, model.settings).hit.view(2, 16, 16)
    assert seen[:, 4:12, 6:10].all() and not seen[:, :, 0].any()


def test_what_coefficients_mean_comes_along_with_the_conditional_one(tmp_path) -> None:
    path = packaged.statistics(packaged.located(Path("heads-cgof")))
    sizes = Statistics.load(path).sizes
    blocks = pretrained.load(Path("heads-cgof")).layout.sizes
    assert sizes == {name: blocks[name] for name in sizes}
    assert packaged.statistics(packaged.located(Path("heads-gof"))) is None
    assert packaged.statistics(tmp_path / "heads-cgof.yaml") is None


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = Path("heads-gof")
    assert packaged.located(name) == packaged.FOLDER / "heads-gof.yaml"
    assert packaged.located(Path("folder/heads-gof")) == Path("folder/heads-gof")
    assert packaged.located(Path("heads-gone")) == Path("heads-gone")
    name.write_text("mine")
    assert packaged.located(name) == name


def test_a_verb_takes_one_by_name_in_any_folder(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    small = '{"samples": {"resolution": 8, "latents": 1}, "tracking": {"enabled": false}}'
    call = ["samples", "--generator", "heads-gof", "--config", small, "--out", "sheet.png"]
    main(call)
    assert Path("sheet.png").exists()
    with pytest.raises(SystemExit) as stopped:
        main([*call[:2], "heads-gone", *call[3:]])
    assert stopped.value.code == 3
    assert "heads-gone: no such file" in capsys.readouterr().err


def python_of(name: str) -> str:
    """The lines of Python on a page."""
    page = (Path(__file__).parents[3] / "docs" / name).read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.S)
    return lines


def test_the_lines_of_python_in_the_docs_draw_heads(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: dict = {}
    exec(python_of("api.md").replace("resolution=64", "resolution=16"), told)
    assert told["seen"].rgb.shape == told["seen"].normal.shape == (3, 16, 16)
    assert told["seen"].depth[told["seen"].hit].mean().item() == pytest.approx(0.94, abs=0.05)
    assert told["between"].hit.any()
    assert {path.name for path in tmp_path.iterdir()} == {"head.png", "head.glb"}


def test_those_about_cgof_carry_an_expression_over(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: dict = {}
    exec(python_of("cgof.md"), told)
    heads, driven, own = told["heads"], told["driven"], told["heads"].latent(3)
    changed = (driven != own).nonzero().flatten().tolist()
    place = heads.model.layout.place("expression")
    assert changed == list(range(place.start, place.stop))
    assert Path("driven.png").exists()
