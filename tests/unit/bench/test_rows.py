import json
import re
from dataclasses import replace

import pytest
import torch
from docstring_parser import parse_from_object

from gof.bench import field_rows, image_rows, measure, other_rows, rows
from gof.bench.jobs import BenchJob
from gof.bench.measure import Products, logit_operations, timed
from gof.bench.place import BFM, LARGE, SMALL, Place
from gof.bench.run import GROWTH
from gof.bench.step import Step
from gof.experiment.config import Config
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.rendering.render import render
from gof.run.files import InputError
from gof.shapes.sparse_grid import Grid
from gof.training.settings import Stage
from tests.unit.metrics.small import saved

TINY = FilmSirenSettings(layers=2, width=16)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(
        Config(), BenchJob(results=tmp_path / "results"), tmp_path / "smoke", torch.device("cpu")
    )


@pytest.fixture
def quick(monkeypatch) -> None:
    """Small work, so that rows are made in no time; what they measure then means nothing."""
    monkeypatch.setattr(measure, "LONG_S", 0.0)
    monkeypatch.setattr(measure, "FEWER", 1)
    monkeypatch.setattr(measure, "BURST_S", 0.001)
    monkeypatch.setattr(measure, "TRIAL", 1e7)
    monkeypatch.setattr(measure, "ROWS", (256,))
    small = BFM.model_copy(
        update={"stages": (Stage(resolution=8, steps=1, batch=4, micro_batch=4),)}
    )
    monkeypatch.setattr(image_rows, "BFM", small)
    for module in (field_rows, image_rows, other_rows):
        monkeypatch.setattr(module, "LARGE", TINY)
    monkeypatch.setattr(field_rows, "TRAINED", 2**16)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("network", "points", "least"), [(LARGE, 2**12, 0.5), (SMALL, 2**18, 0.3)])
def test_a_field_is_no_slower_than_its_share_of_matrix_products(network, points, least) -> None:
    """Work and products in turn, the best of several tries: another job slows either. Fields whose
    layers do not stay in cache, or which take them in too small pieces, fall below."""
    here = Place(Config(), None, None, torch.device("cpu"))
    field, at, products = here.field(network), here.points(points), here.products(network)
    products._operations /= 10
    shares = []
    with torch.no_grad():
        timed(lambda: field.logits(at))
        for _ in range(6):
            rate = points * logit_operations(network) / timed(lambda: field.logits(at))
            shares.append(rate / products.rate())
    assert max(shares) > least, shares


def test_help_names_every_row() -> None:
    text = next(o.description for o in parse_from_object(BenchJob).params if o.arg_name == "rows")
    listed = (text or "").split("(default: all), of ")[1]
    assert re.findall(r"([a-z0-9-]+):", listed) == [*rows.ROWS, GROWTH]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "name",
    ["field-training", "field-training-memory", "image", "training-step", "mesh-256", "normals"],
)
def test_rows_are_whole(name, place, monkeypatch) -> None:
    if name == "mesh-256":
        monkeypatch.setattr(other_rows, "Grid", lambda n, side: Grid(n // 8, side))
    found = rows.ROWS[name](place)
    assert found[0].row.startswith(name) and rows.ROWS[name].__doc__
    for row in found:
        assert row.measured > 0 and row.ceiling > 0
        assert row.fraction == pytest.approx(
            row.measured / row.ceiling if row.unit == "GFLOP/s" else row.ceiling / row.measured
        )
        assert (row.target is None) == (row.holds is None)


@pytest.mark.usefixtures("quick")
def test_a_step_of_the_default_run_goes_on_from_its_generator(place, tmp_path) -> None:
    given = replace(place, given=replace(place.given, generator=saved(tmp_path)))
    step, network = Step.going_on(given), given.trained()
    assert step.plan.half_width == network.settings.half_width and step.plan.stage.resolution == 8
    held = network.generator.state_dict()
    assert all(torch.equal(v, held[n]) for n, v in step.state.generator.state_dict().items())
    top, batch = 128, step.plan.stage.batch
    pixels = 3 * top * 64 + 9 * top**2 * (64 + 16) + top**2 * 16 + 9 * (top + 1) * top * 16
    assert step.discriminator_operations() == 2 * batch * (pixels + 3 * top * 16)
    (row,) = rows.ROWS["training-step-default"](given)
    assert row.row == "training-step-default" and row.target == 0.6
    assert row.fraction == pytest.approx(row.measured / row.ceiling)
    step()
    assert step.state.step == 1


@pytest.mark.usefixtures("quick")
def test_ceilings_of_images_count_what_rays_need(place) -> None:
    """By a search along every ray, one sample after the other."""
    field, (rays, settings) = place.field(TINY), place.view(16)
    t = settings.near + (torch.arange(9) + 0.5) / 9 * (settings.far - settings.near)
    met, missed = 0, 0
    for ray in range(16**2):
        along = rays.at(t.expand(1, 256, 9))[:, ray]
        occupied = field.logits(along)[0] >= 0
        first = next((k + 1 for k in range(9) if occupied[k]), None)
        met, missed = (met + first, missed) if first else (met, missed + 9)
    out = render(field, rays, settings)
    assert met > 100 and missed > 9 * 80
    assert image_rows.coarse_until(out.surface_t, settings) == met + missed // 4
    least = met + missed // 4 + int(out.hit.sum())
    assert image_rows.needed(out.surface_t, settings, TINY) == least * logit_operations(TINY)
    full, surface = image_rows.image(place)
    assert (full.row, surface.row) == ("image", "image-surface")
    assert full.target == 2.2 and surface.target == 0.6


def test_minutes_come_from_the_log_of_a_whole_run(place) -> None:
    place.given.results.mkdir()
    entries = [{"jobs": 44, "wall_s": 900.0}, {"jobs": 44, "wall_s": 600.0}, {"jobs": 2}]
    (place.given.results / "runs.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in entries))
    (row,) = rows.ROWS["default-run"](place)
    assert (row.measured, row.unit, row.target, row.holds) == (10.0, "min", 20.0, True)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("default-run", "snakemake --cores all"),
        ("smoke-run", "--configfile workflow/configs/smoke.yaml"),
        ("image-surface-psnr", "--generator: .*snakemake --cores all bench"),
        ("training-step-default", "--generator: .*snakemake --cores all bench"),
        ("data", "--head-model: .*snakemake --cores all bench"),
        ("raster", "--head-model: .*snakemake --cores all bench"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_makes_it(name, command, place) -> None:
    with pytest.raises(InputError, match=command) as raised:
        rows.ROWS[name](place)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("quick")
def test_heads_are_rasterised(place, obedience) -> None:
    given = replace(place, given=BenchJob(head_model=obedience.head_model))
    (row,) = rows.ROWS["raster"](given)
    assert row.unit == "ms" and 0.1 < row.measured < 5000


def test_the_fastest_number_of_rows_is_taken(monkeypatch) -> None:
    rates = {rows: 1.0 + (rows == 1024) for rows in measure.ROWS}
    monkeypatch.setattr(Products, "_rate", lambda self, rows, operations: rates[rows])
    assert Products(4, 4, torch.device("cpu")).rows == 1024
