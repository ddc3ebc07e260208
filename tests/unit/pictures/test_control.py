import json

import numpy as np
import pytest
import torch
from PIL import Image

from gof.experiment.config import Config
from gof.pictures import control as figures
from gof.pictures.control import Strip, heat, page, run_show_control
from gof.pictures.jobs import ShowControlJob
from gof.run.files import InputError

CONFIG = Config.parse(
    {
        "samples": {"resolution": 8},
        "meshes": {"resolution": 24},
        "tracking": {"enabled": False},
    }
)


def test_heat_runs_from_its_first_to_its_last_colour():
    shown = heat(torch.tensor([0.0, figures.FAR / 3, figures.FAR, 9.0]))
    for row, stop in zip(shown, (0, 1, 3, 3), strict=True):
        torch.testing.assert_close(row, torch.tensor(figures.HEAT[stop]))


def test_surface_points_lie_on_the_triangles_and_leave_no_gap():
    vertices = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    points = figures.surface_points(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    first, second = points.chunk(2)
    assert (first[:, 2] == 0).all() and (first >= -1e-6).all() and (first.sum(1) <= 1 + 1e-6).all()
    assert (second[:, 0] == 0).all()
    draws = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    inside = torch.where(draws.sum(1, keepdim=True) > 1, 1 - draws, draws)
    away = (inside[:, None] - first[None, :, :2]).norm(dim=-1).amin(1)
    assert away.max() < 1 / (figures.BLENDS - 1) / 2**0.5 + 1e-6


def test_page_places_pictures_by_row_and_column():
    red = torch.tensor([1.0, -1, -1])[:, None, None].expand(2, 3, 8, 8)
    sheet = page(["a", "b"], [Strip("first", -torch.ones(2, 3, 8, 8)), Strip("second", red)])
    left, top = figures.MARGIN, figures.LABEL
    assert sheet.shape == (top + 16, left + 16, 3)
    assert (sheet[top : top + 8, left:] == 0).all()
    assert (sheet[top + 8 :, left:] == [255, 0, 0]).all()
    assert (sheet[0, 0] == 255).all() and (sheet[:top] < 128).any()


@pytest.fixture
def files(obedience, tmp_path):
    return ShowControlJob(
        generator=obedience.generator("cgof"),
        head_model=obedience.head_model,
        statistics=obedience.statistics,
        out=tmp_path / "control.json",
    )


def test_all_figures_are_drawn(files, tmp_path):
    run_show_control(CONFIG, files)
    shapes = {path.stem: np.asarray(Image.open(path)).shape for path in tmp_path.glob("*.png")}
    margin, label = figures.MARGIN, figures.LABEL
    assert shapes == {
        "sweeps": (label + 2 * 16 * len(figures.SWEEPS), margin + 16 * figures.STEPS, 3),
        "distances": (label + 16 * figures.HEADS, margin + 16 * 6, 3),
        "warping": (label + 16 * figures.PAIRS, margin + 16 * 5, 3),
    }
    numbers = json.loads((tmp_path / "control.json").read_text())["numbers"]
    assert len(numbers["mesh_distance"]) == figures.HEADS
    # a ball of about 0.085 against balls of about 0.08
    assert all(0.01 < distance < 0.5 for distance in numbers["mesh_distance"])


def test_a_field_without_a_surface_is_said_so(files, monkeypatch, capsys):
    monkeypatch.setattr(figures, "extract", lambda *_: None)
    with pytest.raises(InputError, match="no field has a surface"):
        run_show_control(CONFIG, files)
    assert "left out of the figure" in capsys.readouterr().err
    assert not files.out.exists()
