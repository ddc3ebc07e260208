"""How face regressors are trained and measured."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from gof.conditioning.jobs import PoolJob
from gof.conditioning.pool import run_pool
from gof.data.manifest import load_manifest
from gof.data.reader import load_split
from gof.experiment.config import Config
from gof.geometry.lighting import shade
from gof.morphable.coefficients import Coefficients, Statistics
from gof.morphable.landmarks import nme_percent
from gof.morphable.model import MorphableModel
from gof.readers import data as regressor_data
from gof.readers.convnet import SIZE
from gof.readers.data import (
    LabelledFaces,
    data_faces,
    pool_faces,
    shown,
    training_faces,
    visibility,
)
from gof.readers.files import load_regressor
from gof.readers.jobs import INPUTS, RegressorJob
from gof.readers.training import Trainer, correlations, run_regressor, to_unit
from gof.run.files import InputError, read_json, write_json

CONFIG = Config.parse(
    {
        "faces": {
            "pool": {"count": 24, "test": 6, "resolutions": [16, 64]},
            "regressors": {"judge": {"width": 4, "steps": 12, "batch": 8}},
        },
        "tracking": {"enabled": False},
    }
)
SIZES = {"identity": 5, "expression": 4, "albedo": 2, "light": 27}


def toy_statistics():
    generator = torch.Generator().manual_seed(0)
    mean = {name: torch.zeros(size) for name, size in SIZES.items()}
    mean["light"][:3] = 1.2 / 0.282  # an even, bright surrounding
    spread = {"identity": 0.5, "expression": 0.5, "albedo": 0.5, "light": 0.1}
    factor = {
        name: spread[name]
        * (torch.eye(size) + torch.rand(size, size, generator=generator).tril(-1))
        for name, size in SIZES.items()
    }
    return Statistics(mean, factor)


def truth_as_landmarks(data):
    def load(_, split):
        points = torch.from_numpy(
            load_split(load_manifest(data), split, ["landmarks"])["landmarks"]
        )
        found = torch.ones(len(points), dtype=torch.bool)
        found[1] = False
        return SimpleNamespace(points=points, found=found)

    return load


def truth_as_fits(data):
    def load(_, split):
        names = ["identity", "expression", "albedo", "light", "pose"]
        own = {
            k: torch.from_numpy(v) for k, v in load_split(load_manifest(data), split, names).items()
        }
        light = own["light"].flatten(1)
        found = Coefficients(own["identity"], own["expression"], own["albedo"], light)
        ok = torch.ones(len(light), dtype=torch.bool)
        ok[2] = False
        return SimpleNamespace(coefficients=found, pose=own["pose"], ok=ok)

    return load


@pytest.fixture
def files(tiny_heads, lively, tmp_path, monkeypatch):
    """A data set, its pool, and the truth for landmarks and fits; two images have none."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # no worker processes
    monkeypatch.setattr(regressor_data, "load_landmarks", truth_as_landmarks(tiny_heads))
    monkeypatch.setattr(regressor_data, "load_fits", truth_as_fits(tiny_heads))
    statistics, pool = tmp_path / "statistics.npz", tmp_path / "pool" / "manifest.json"
    toy_statistics().save(statistics)
    run_pool(CONFIG, PoolJob(data=tiny_heads, statistics=statistics, head_model=lively, out=pool))
    records = [tmp_path / "landmarks.json", tmp_path / "fits.json"]
    for path in records:
        write_json(path, {})
    return RegressorJob(
        name="judge",
        data=tiny_heads,
        landmarks=records[0],
        fits=records[1],
        pool=pool,
        statistics=statistics,
        head_model=lively,
        out=tmp_path / "regressor.json",
    )


def test_labels_come_from_the_pool_and_from_fits_without_failures(files):
    own, rendered = data_faces(files, "train"), pool_faces(files, "train")
    assert len(own) == 10 and len(rendered) == 24
    everything = training_faces(files)
    assert len(everything) == 34 and everything.images.shape[1:] == (3, SIZE, SIZE)
    stored = load_split(load_manifest(files.pool), "train", ["z", "image_64"])
    assert torch.equal(everything.z[:24], torch.from_numpy(stored["z"]))
    assert torch.equal(
        everything.images[:24].permute(0, 2, 3, 1), torch.from_numpy(stored["image_64"])
    )
    truth = load_split(load_manifest(files.data), "train", ["identity", "pose"])
    kept = [0, *range(3, 12)]
    coloured = toy_statistics().unwhiten(everything.z[24:])
    torch.testing.assert_close(
        coloured.identity, torch.from_numpy(truth["identity"][kept]), atol=1e-4, rtol=1e-4
    )
    assert torch.equal(everything.pose[24:], torch.from_numpy(truth["pose"][kept]))


def test_visibility_is_the_change_of_what_a_block_governs(lively):
    model, statistics = MorphableModel.load(lively), toy_statistics()
    metric = visibility(model, statistics)
    generator = torch.Generator().manual_seed(3)
    z = 1e-2 * torch.randn(4000, 38, generator=generator)
    head = statistics.unwhiten(z)
    middle = statistics.unwhiten(torch.zeros(1, 38))
    directions = torch.nn.functional.normalize(torch.randn(1, 500, 3, generator=generator), dim=-1)
    directions = directions.expand(4000, -1, -1)
    seen = {
        "identity": (model.vertices(head.identity, middle.expression.expand(4000, -1)), 1e-4),
        "expression": (model.vertices(middle.identity.expand(4000, -1), head.expression), 1e-4),
        "albedo": (model.palette.colours(head.albedo), 3e-2),  # not linear
        "light": (shade(directions, head.light.unflatten(-1, (9, 3))), 0.1),  # few directions
    }
    found = shown(z, metric)
    for name, (value, tolerance) in seen.items():
        apart = (value[1:] - value[:-1]).square().flatten(1).sum(-1)
        read = (found[name][1:] - found[name][:-1]).square().sum(-1)
        ratio = apart / read
        assert (ratio / ratio.mean() - 1).abs().mean() < tolerance, name
        assert abs(found[name].square().sum(-1).mean() / 1e-4 - 1) < 0.1, name


def test_correlation_counts_what_shows():
    generator = torch.Generator().manual_seed(4)
    truth = torch.randn(20000, 4, generator=generator)
    metric = {"seen": torch.diag(torch.tensor([1.0, 0.0])), "other": torch.eye(2)}
    found = truth.clone()
    found[:, 1] = torch.randn(20000, generator=generator)  # shows nothing
    found[:, 2] = -truth[:, 2]
    assert correlations(found, truth, metric)["seen"] == pytest.approx(1, abs=1e-5)
    assert correlations(found, truth, metric)["other"] == pytest.approx(0, abs=0.03)
    half = truth + torch.randn(20000, 4, generator=generator)
    for value in correlations(half, truth, metric).values():
        assert value == pytest.approx(0.5**0.5, abs=0.02)


@pytest.fixture
def squares():
    """Bright squares on a dark ground; the landmarks are the corners, pose and z their place."""
    generator = torch.Generator().manual_seed(5)
    corner = torch.randint(4, 36, (256, 2), generator=generator)
    images = torch.zeros(256, 3, SIZE, SIZE, dtype=torch.uint8)
    for image, (x, y) in zip(images, corner.tolist(), strict=True):
        image[:, y : y + 24, x : x + 24] = 220
    place = torch.stack([(corner[:, 0] + 12) / 32 - 1, 1 - (corner[:, 1] + 12) / 32], -1)
    offsets = torch.rand(68, 2, generator=generator) * 0.7 - 0.35
    marks = place[:, None] + offsets
    return LabelledFaces(images, 3 * place, place, marks)


def trainer(faces, name="judge", steps=150):
    section = {"width": 4, "steps": steps, "batch": 16, "lr": 5e-3}
    settings = Config.parse({"faces": {"regressors": {name: section}}}).faces.regressors
    metric = {"one": torch.eye(1), "two": torch.eye(1)}
    return Trainer(getattr(settings, name), name, metric, faces)


def test_a_regressor_learns_where_a_square_is(squares):
    task = trainer(squares[:200])
    losses = [task.step(step) for step in range(150)]
    assert losses[-1]["shown"] < 0.3 * losses[0]["shown"]
    network, test = task.network.eval(), squares[200:]
    for size in (SIZE, 16):
        seen = torch.nn.functional.interpolate(to_unit(test.images), (size, size), mode="area")
        with torch.no_grad():
            reading = network(seen)
        for read, truth in (
            (reading.z, test.z),
            (reading.pose, test.pose),
            (reading.landmarks.flatten(1), test.landmarks.flatten(1)),
        ):
            wrong = (read - truth).square().mean()
            assert wrong < 0.1 * (truth - truth.mean(0)).square().mean()


@pytest.mark.parametrize("steps", [3, 12, 20, 21, 60])
def test_the_learning_rate_rises_and_falls_in_any_number_of_steps(squares, steps):
    task, rates = trainer(squares, steps=steps), []
    for step in range(steps):
        rates.append(task.optimiser.param_groups[0]["lr"])
        task.step(step)
    assert max(rates) == pytest.approx(5e-3)
    assert rates[0] < 3e-4 and rates[-1] < 1e-6
    assert rates.index(max(rates)) <= max(1, round(0.05 * steps) - 1)


def test_a_step_is_a_function_of_seed_name_and_number(squares):
    one, two = trainer(squares), trainer(squares)
    assert [one.step(k) for k in range(3)] == [two.step(k) for k in range(3)]
    images, faces = one.batch(7)
    again, same = two.batch(7)
    assert torch.equal(images, again) and torch.equal(faces.z, same.z)
    assert not torch.equal(faces.z, one.batch(8)[1].z)
    assert not torch.equal(faces.z, trainer(squares, "teacher").batch(7)[1].z)


def test_all_sizes_are_seen(squares):
    task = trainer(squares)
    sizes = [task.batch(step)[0].shape[-1] for step in range(120)]
    assert set(sizes) == {64, 48, 32, 24, 16}
    assert sizes.count(64) > 25


def test_from_files_to_a_regressor_and_its_numbers(files, tmp_path, capsys):
    outs = [tmp_path / name / "regressor.json" for name in ("one", "two")]
    for out in outs:
        run_regressor(CONFIG, replace(files, out=out))
    record = read_json(outs[0])
    numbers = record["numbers"]
    assert set(record["inputs"]) == set(INPUTS)
    (row,) = numbers["rows"]
    assert (row["model"], row["metric"], row["n"]) == ("regressor", "landmark_nme_percent", 2)
    assert 0 < row["value"] == numbers["test"]["64 px"]["landmark_nme_percent"] < 200
    assert set(numbers["test"]) == {"64 px", "32 px", "16 px"}
    assert set(numbers["pool"]["correlation"]) == set(SIZES)
    assert "step 12 of 12: shown" in capsys.readouterr().err
    paths = [out.with_suffix(".safetensors") for out in outs]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    network = load_regressor(outs[0].with_suffix(".yaml"))
    faces = data_faces(files, "test")
    with torch.no_grad():
        read = network(to_unit(faces.images)).landmarks
    assert float(nme_percent(read, faces.landmarks).mean()) == pytest.approx(row["value"])


def test_the_teacher_has_a_name_of_its_own(files, tmp_path):
    quick = CONFIG.faces.regressors.teacher.model_copy(update={"width": 2, "steps": 3, "batch": 4})
    both = CONFIG.faces.regressors.model_copy(update={"teacher": quick})
    faces = CONFIG.faces.model_copy(update={"regressors": both})
    out = tmp_path / "regressor.json"
    wanted = replace(files, name="teacher", out=out)
    run_regressor(CONFIG.model_copy(update={"faces": faces}), wanted)
    assert read_json(out)["numbers"]["rows"][0]["model"] == "regressor_teacher"


def test_a_pool_of_other_statistics_is_refused(files):
    other = toy_statistics()
    other.mean["albedo"] += 1
    other.save(files.statistics)
    with pytest.raises(InputError, match=r"manifest\.json: drawn from other statistics"):
        pool_faces(files, "train")


def test_fits_of_another_data_set_are_refused(files, monkeypatch):
    short = SimpleNamespace(ok=torch.ones(3, dtype=torch.bool))
    monkeypatch.setattr(regressor_data, "load_fits", lambda *_: short)
    with pytest.raises(InputError, match=r"fits\.json: 3 fits and 12 landmarks for 12 images"):
        data_faces(files, "train")


def test_fits_that_all_failed_are_refused(files, monkeypatch):
    none = SimpleNamespace(ok=torch.zeros(12, dtype=torch.bool))
    monkeypatch.setattr(regressor_data, "load_fits", lambda *_: none)
    with pytest.raises(InputError, match="no image of split 'train' was fitted"):
        data_faces(files, "train")
