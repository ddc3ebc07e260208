import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gof.config.errors import ConfigError
from gof.data.manifest import Manifest, Split, encode_depth, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.experiment.config import Config
from gof.fields.analytic import Ellipsoid
from gof.geometry.cameras import camera_rays, sample_poses
from gof.geometry.settings import Camera
from gof.metrics import frechet
from gof.metrics.context import row, untrained
from gof.metrics.evaluate import EvaluateJob, run_evaluate
from gof.metrics.networks import efficientnet, inception
from gof.metrics.networks.extractor import Extractor
from gof.metrics.registry import METRICS
from gof.metrics.scores import ray_profile
from gof.metrics.views import ViewsJob, run_views
from gof.models import pretrained as generators
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.run.files import InputError
from gof.run.rng import streams
from tests.unit.metrics.small import PARTS, configured, make_scarce, model, saved

COUNTS = {"train": 12, "validation": 4, "test": 6}
SECTIONS = {
    "metrics": {
        "seeds": [0, 1],
        "views": {"count": 8, "resolution": 16},
        "frechet": {"samples": 8, "resize": 16},
        "surface": {"samples": 3, "resolution": 16, "coarse": 12},
        "specks": {"samples": 2, "resolution": 12, "coarse": 12, "grid": 20},
        "mesh": {"samples": 1, "grid": 20},
        "consistency": {"samples": 4, "resolution": 32},
        "depth": {
            "pairs": 6,
            "steps": 4,
            "batch": 4,
            "width": 4,
            "score_resolution": 32,
        },
    },
    "models": configured(),
    "tracking": {"enabled": False},
}
CONFIG = Config.parse(SECTIONS, "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of ellipsoids at 32 pixels."""
    folder, camera = tmp_path_factory.mktemp("data"), Camera()
    place = camera, (1.0, 1.0, 1.0)
    settings = RenderSettings.of("occupancy", model("occupancy").sampling, 0.02, place)
    splits, start = {}, 0
    for name, n in COUNTS.items():
        poses = sample_poses(camera, streams(5, "poses", range(start, start + n)))
        images, depths = [], []
        for i in range(n):
            side = 0.05 + 0.004 * ((start + i) % 7)
            rays = camera_rays(poses[i : i + 1], 32, camera.fov_deg)
            out = render(Ellipsoid((side, 0.08, side)), rays, settings)
            images.append(((out.rgb + 1) * 127.5).round().byte().view(32, 32, 3))
            depths.append(torch.where(out.hit, out.surface_t, 0.0).view(32, 32))
        start += n
        arrays = {
            "image_32": torch.stack(images).numpy(),
            "depth_32": encode_depth(torch.stack(depths), camera).numpy(),
        }
        splits[name] = Split(n, (write_shard(folder / f"{name}-000", arrays),))
    path = folder / "manifest.json"
    write_manifest(Manifest(path, "balls", camera, (1.0, 1.0, 1.0), (32,), splits))
    return path


class Means(nn.Module):
    """Average colours of sixteen tiles: features without a download. most: images that fit."""

    most = 1000

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.most:
            raise MemoryError
        return nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)


@pytest.fixture(autouse=True)
def tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    def extractor(record: Path, size: int, device: str) -> Extractor:
        return Extractor("fd_efficientnet", "tiles", "0" * 64, size, Means())

    monkeypatch.setattr(efficientnet, "efficientnet", extractor)
    monkeypatch.setattr(inception, "inception", lambda device: None)


def measure(
    metric: str, data: Path, out: Path, generator: Path | None = None, config: Config = CONFIG
) -> dict:
    views, reference = None, generator is None
    if METRICS[metric].subject == "views":
        views = out.parent / f"views of {out.stem}" / "manifest.json"
        run_views(config, ViewsJob(generator=generator, reference=reference, data=data, out=views))
        generator = None
    wanted = EvaluateJob(
        metric=metric,
        data=data,
        out=out,
        generator=generator,
        views=views,
        reference=reference,
        features=data,
    )
    run_evaluate(config, wanted)
    return json.loads(out.read_text())["numbers"]


def by_key(numbers: dict) -> dict[tuple[str, str], dict]:
    return {(row["model"], row["metric"]): row for row in numbers["rows"]}


@pytest.mark.parametrize(
    ("protocol", "generated", "training"), [("equal", 8, 8), ("paper", 5, 7), ("50k", 6, 12)]
)
def test_protocols_of_frechet_distances(
    tmp_path, data, monkeypatch, protocol, generated, training
) -> None:
    monkeypatch.setattr(frechet, "PROTOCOLS", {"paper": (5, 7), "50k": (6, None)})
    own = {**SECTIONS["metrics"], "frechet": {"protocol": protocol, "samples": 8, "resize": 16}}
    config = Config.parse({**SECTIONS, "metrics": own}, "test")
    found = measure("frechet", data, tmp_path / "f.json", saved(tmp_path, "occupancy"), config)
    row = found["rows"][0]
    assert row["n"] == generated and f"{generated} generated" in row["protocol"]
    assert f"against {training} training images" in row["protocol"]


@pytest.mark.parametrize("integrator", ["occupancy", "density"])
def test_every_metric_of_a_generator(tmp_path: Path, data: Path, integrator: str) -> None:
    generator = saved(tmp_path, integrator)
    wanted = {
        "frechet": ["fd_efficientnet"],
        "surface": ["sigma", "sigma_clean", "surface_agreement", "outward_fraction"],
        "depth": ["side_x100", "mad_deg"],
        "specks": ["speck_rays", "speck_volume"],
        "mesh": ["mean_curvature", "geodesic_distance"],
        "consistency": ["reprojection", "seen_by_both"],
    }
    for metric, names in wanted.items():
        numbers = measure(metric, data, tmp_path / f"{metric}.json", generator)
        assert [r["metric"] for r in numbers["rows"]] == names
        shown = [c["metric"] for c in numbers["columns"] if c["table"] != "control"]
        assert set(names) <= set(shown) <= {*names, "fid", "kid"}
        for one in numbers["rows"]:
            assert set(one) == {"model", "metric", "value", "spread", "n", "protocol"}
            assert one["model"] == "mine" and one["value"] >= 0 and one["spread"] >= 0
            assert "2 evaluation seeds" in one["protocol"]
        again = measure(metric, data, tmp_path / f"again-{metric}.json", generator)
        assert again == numbers


@pytest.mark.parametrize("metric", ["frechet", "surface", "depth", "specks", "mesh", "consistency"])
def test_where_memory_is_short_metrics_are_the_same(
    tmp_path: Path, data: Path, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = saved(tmp_path)
    whole = by_key(measure(metric, data, tmp_path / "whole.json", generator))
    make_scarce(monkeypatch, 300)  # a ray has 12 points, a view 256 rays and more
    monkeypatch.setattr(Means, "most", 3)
    parts = by_key(measure(metric, data, tmp_path / "parts.json", generator))
    # Parts of an image are no image any more: a CPU leaves out other points, a pixel may flip.
    near = 1e-3 if metric == "consistency" else 1e-6
    for key, seen in whole.items():
        assert parts[key]["value"] == pytest.approx(seen["value"], rel=near)


def test_references_of_the_frechet_distance_are_in_order(tmp_path: Path, data: Path) -> None:
    rows = by_key(measure("frechet", data, tmp_path / "f.json"))
    values = [rows[name, "fd_efficientnet"]["value"] for name in ("real", "blurred", "untrained")]
    assert values == sorted(values) and values[2] > 2 * values[0]
    # As many as the smallest set has: 10 held out, 12 to train, 8 asked for.
    assert all(r["n"] == 8 for r in rows.values())
    assert "sigma 1 px" in rows["blurred", "fd_efficientnet"]["protocol"]


def test_held_out_images_bound_the_references_alone(tmp_path: Path, data: Path) -> None:
    """11 of 12 training images and of 12 views, while 10 images are held out."""
    more = {**SECTIONS["metrics"], "views": {"count": 12, "resolution": 16}}
    config = Config.parse({**SECTIONS, "metrics": {**more, "frechet": {"samples": 11}}}, "test")
    rows = by_key(measure("frechet", data, tmp_path / "f.json", config=config))
    counts = {name: r["n"] for (name, _), r in rows.items()}
    assert counts == {"real": 10, "blurred": 10, "untrained": 11}
    assert "10 held-out images against 11 training" in rows["real", "fd_efficientnet"]["protocol"]
    own = by_key(measure("frechet", data, tmp_path / "g.json", saved(tmp_path), config))
    assert own["mine", "fd_efficientnet"]["n"] == 11


def test_sizes_left_open_are_those_of_the_last_stage(tmp_path: Path, data: Path) -> None:
    """8 px, of the generator; 16 px, of the largest model, for references; 32 px are stored."""
    metrics = {key: dict(own) for key, own in SECTIONS["metrics"].items() if key != "seeds"}
    del metrics["views"]["resolution"], metrics["surface"]["resolution"]
    del metrics["depth"]["score_resolution"]
    stages = [{"resolution": 8, "steps": 1}, {"resolution": 16, "steps": 1}]
    models = {"a": {"integrator": "occupancy", "stages": stages}}
    config = Config.parse({**SECTIONS, "metrics": metrics, "models": models}, "test")
    generator = saved(tmp_path)
    for subject, size in ((generator, 8), (None, 16)):
        out = tmp_path / f"{size}"
        surface = by_key(measure("surface", data, out / "s.json", subject, config))
        name = "mine" if subject else "untrained"
        assert f"samples, {size} px" in surface[name, "surface_agreement"]["protocol"]
        depth = by_key(measure("depth", data, out / "d.json", subject, config))
        protocol = depth[name, "mad_deg"]["protocol"]
        assert f"of {size} px" in protocol and "test renders, 32 px" in protocol


def test_sigma_counts_the_images_with_an_opaque_ray(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of seed 0 the first and third image have such rays, of seed 1 all three."""
    generator = saved(tmp_path)
    whole = by_key(measure("surface", data, tmp_path / "s.json", generator))
    assert whole["mine", "sigma"]["n"] == 3
    assert "0.99 of 3 images" in whole["mine", "sigma"]["protocol"]
    own, seen = ray_profile.sigma, []

    def one_is_fog(weights: Tensor, t: Tensor) -> list[float]:
        seen.append(weights)
        return [] if len(seen) in (3, 4) else own(weights, t)  # with and without clean-up

    monkeypatch.setattr(ray_profile, "sigma", one_is_fog)
    rows = by_key(measure("surface", data, tmp_path / "t.json", generator))
    for metric in ("sigma", "sigma_clean"):
        assert rows["mine", metric]["n"] == 2
        assert "0.99 of 2, 3 (by evaluation seed) of 3 images" in rows["mine", metric]["protocol"]
    assert rows["mine", "outward_fraction"]["n"] == 3


def test_references_of_depth(tmp_path: Path, data: Path) -> None:
    rows = by_key(measure("depth", data, tmp_path / "d.json"))
    assert {name for name, _ in rows} == {"untrained", "real", "mean_depth"}
    assert rows["mean_depth", "side_x100"]["spread"] == 0
    assert rows["real", "side_x100"]["n"] == COUNTS["test"]
    assert "6 training renders of 16 px" in rows["real", "mad_deg"]["protocol"]


def test_measured_on_the_split_that_is_asked_for(tmp_path: Path, data: Path) -> None:
    config = CONFIG.model_copy(
        update={"metrics": CONFIG.metrics.model_copy(update={"split": "validation"})}
    )
    rows = by_key(measure("depth", data, tmp_path / "d.json", config=config))
    assert rows["real", "side_x100"]["n"] == COUNTS["validation"]
    assert "; validation renders" in rows["real", "side_x100"]["protocol"]
    other = by_key(measure("depth", data, tmp_path / "t.json"))
    assert other["real", "side_x100"]["value"] != rows["real", "side_x100"]["value"]


def test_references_of_consistency_are_paintings_of_held_out_images(
    tmp_path: Path, data: Path
) -> None:
    rows = by_key(measure("consistency", data, tmp_path / "c.json"))
    assert {name for name, _ in rows} == {"untrained", "solid", "billboard"}
    for name in ("solid", "billboard"):
        assert 0 < rows[name, "reprojection"]["value"] < 20
        assert 0.4 < rows[name, "seen_by_both"]["value"] < 1


@pytest.mark.parametrize("metric", ["specks", "mesh", "consistency"])
def test_an_empty_field_has_no_measures_of_its_shape(tmp_path: Path, data: Path, metric) -> None:
    found = measure(metric, data, tmp_path / "m.json", saved(tmp_path, radius=0.0))
    assert found["rows"] == []
    assert {m["metric"] for m in found["missing"]} == {c.metric for c in METRICS[metric].columns}


def test_references_of_the_surface(tmp_path: Path, data: Path) -> None:
    numbers = measure("surface", data, tmp_path / "s.json")
    rows = by_key(numbers)
    assert rows["untrained", "outward_fraction"]["value"] == 1.0
    profile = numbers["profile"]
    assert len(profile["offset"]) == len(profile["weight"]) == 13
    assert sum(profile["weight"]) == pytest.approx(1)
    assert profile["offset"] == pytest.approx([-x for x in reversed(profile["offset"])])


def test_an_empty_field_gives_what_can_be_given(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = saved(tmp_path, radius=0.0)
    surface = measure("surface", data, tmp_path / "s.json", generator)
    rows, missing = surface["rows"], surface["missing"]
    assert [(r["metric"], r["value"]) for r in rows] == [("outward_fraction", 0.0)]
    assert [m["metric"] for m in missing] == ["sigma", "sigma_clean", "surface_agreement"]
    depth = measure("depth", data, tmp_path / "d.json", generator)
    assert depth["rows"] == []
    assert {(m["model"], m["metric"]) for m in depth["missing"]} == {
        ("mine", "side_x100"),
        ("mine", "mad_deg"),
    }
    assert measure("frechet", data, tmp_path / "f.json", generator)["rows"]
    text = capsys.readouterr().err
    assert "mine: no sigma" in text and "mine: no pixel" in text


def test_the_untrained_generator_is_that_of_the_file_before_training(
    tmp_path: Path, data: Path
) -> None:
    path = saved(tmp_path)
    bench = generators.load(path)
    with torch.no_grad():
        bench.generator.field.occupancy.weight.add_(1.0)
    generators.save(tmp_path / "late.yaml", bench.generator, bench.info)
    manifest = load_manifest(data)
    place = manifest.camera, manifest.background
    fresh = untrained(CONFIG, place, tmp_path / "late.yaml", "cpu")
    first = generators.load(path)
    z = torch.randn(2, PARTS.mapping.latent, generator=torch.Generator().manual_seed(0))
    points = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(1)) * 0.2 - 0.1
    torch.testing.assert_close(
        fresh.bind(z, 1.0).logits(points), first.bind(z, 1.0).logits(points), rtol=0, atol=0
    )
    assert fresh.settings.half_width == 0.12


def test_rows_are_mean_and_sample_deviation() -> None:
    values = [1.0, 2.0, 4.0]
    one = row("m", "x", values, 7, "p")
    assert (one["value"], one["n"]) == (statistics.mean(values), 7)
    assert one["spread"] == pytest.approx(statistics.stdev(values))
    assert row("m", "x", [3.0], 1, "p")["spread"] == 0.0


def test_what_cannot_be_used_is_named(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "x.json"
    with pytest.raises(ConfigError, match="no metric named 'beauty'; there are c"):
        run_evaluate(CONFIG, EvaluateJob(metric="beauty", data=data, out=out))
    views = tmp_path / "views" / "manifest.json"
    run_views(CONFIG, ViewsJob(reference=True, data=data, out=views))
    for job in (
        ViewsJob(out=views),
        ViewsJob(generator=saved(tmp_path), reference=True, out=views),
    ):
        with pytest.raises(InputError, match="either --generator FILE or --reference"):
            run_views(CONFIG, job)
    with pytest.raises(InputError, match="either --generator FILE or --reference"):
        run_evaluate(CONFIG, EvaluateJob(metric="surface", data=data, out=out))
    with pytest.raises(InputError, match="--features"):
        run_evaluate(CONFIG, EvaluateJob(metric="frechet", data=data, out=out, views=views))
    with pytest.raises(InputError, match="depth: measured on --views"):
        run_evaluate(
            CONFIG, EvaluateJob(metric="depth", data=data, out=out, generator=saved(tmp_path))
        )
    with pytest.raises(InputError, match="surface: measured on a generator"):
        run_evaluate(CONFIG, EvaluateJob(metric="surface", data=data, out=out, views=views))
    with pytest.raises(InputError, match="no such file"):
        run_evaluate(
            CONFIG, EvaluateJob(metric="depth", data=tmp_path / "none.json", out=out, views=views)
        )
    odd = {**SECTIONS["metrics"]["depth"], "score_resolution": 64}
    metrics = {**SECTIONS["metrics"], "depth": odd}
    config = Config.parse({**SECTIONS, "metrics": metrics}, "test")
    with pytest.raises(ConfigError, match=r"\(64\) is no size that the data set stores \(32\)"):
        run_evaluate(config, EvaluateJob(metric="depth", data=data, out=out, views=views))
    more = Config.parse({**SECTIONS, "metrics": {**SECTIONS["metrics"], "seeds": [0, 7]}}, "test")
    with pytest.raises(InputError, match="no images in split 'seed7'"):
        run_evaluate(more, EvaluateJob(metric="depth", data=data, out=out, views=views))
    uneven = {**SECTIONS["metrics"], "depth": {"score_resolution": 24}}
    del uneven["views"]
    config = Config.parse({**SECTIONS, "metrics": uneven}, "test")
    with pytest.raises(ConfigError, match=r"\(24\) must be a multiple of views.resolution \(16\)"):
        run_evaluate(config, EvaluateJob(metric="depth", data=data, out=out, views=views))
    assert not out.exists()


def test_what_was_made_for_another_camera_is_not_measured(tmp_path: Path, data: Path) -> None:
    generator, other = saved(tmp_path, "occupancy"), tmp_path / "other.json"
    manifest = load_manifest(data)
    write_manifest(replace(manifest, path=other, camera=Camera(fov_deg=40.0), splits={}))
    views = tmp_path / "seen" / "manifest.json"
    run_views(CONFIG, ViewsJob(generator=generator, data=data, out=views))
    for metric, given in (("surface", {"generator": generator}), ("frechet", {"views": views})):
        wanted = EvaluateJob(
            metric=metric, data=other, out=tmp_path / "no.json", features=data, **given
        )
        with pytest.raises(InputError, match=r"its camera\.fov_deg is 12\.0, .* has 40\.0"):
            run_evaluate(CONFIG, wanted)
        assert not (tmp_path / "no.json").exists()
