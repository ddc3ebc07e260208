import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch

from gof.data.manifest import load_manifest
from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays
from gof.metrics import control_context as benches
from gof.metrics import control_protocols as protocols
from gof.metrics.control_context import ControlBench, ControlFiles, control_bench
from gof.metrics.evaluate import EvaluateJob, run_evaluate
from gof.metrics.portraits import Portraits, Renders, Sitting
from gof.metrics.settings import Metrics
from gof.morphable.coefficients import BLOCKS
from gof.morphable.meshes import Meshes
from gof.run.files import InputError

METRICS = {
    "seeds": [0, 1],
    "disentanglement": {"subjects": 6, "variations": 4, "resolution": 16},
    "shape": {"heads": 5, "resolution": 48, "coarse": 24},
    "landmarks": {"pairs": 12, "resolution": 16},
}
CONFIG = Config.parse({"metrics": METRICS, "tracking": {"enabled": False}}, "test")


@dataclass(frozen=True)
class Telepath:
    """Writes into the pixels what the judge is to read: the truth about those asked for, or, where
    it does not listen, about others; and its depth is that of the mesh, moved away by `push`."""

    meshes: Meshes
    name: str = "telepath"
    psi: float = 1.0
    listens: bool = True
    leak: float = 0.0
    push: float = 0.0
    empty: bool = False

    def _heard(self, sitting: Sitting) -> torch.Tensor:
        return self.psi * (sitting.latents if self.listens else sitting.latents.roll(3, 0).neg())

    def portraits(self, sitting: Sitting) -> Portraits:
        z = self._heard(sitting)
        plane, _ = self.meshes.landmarks(z, sitting.poses)
        face = self.meshes.layout.face(z)
        face = face + self.leak * face.mean(-1, keepdim=True)
        told = torch.cat([face, sitting.poses, plane.flatten(1)], -1)
        r = sitting.resolution
        rgb = torch.zeros(len(z), 3 * r * r)
        rgb[:, : told.shape[1]] = told
        seen = self.meshes.raster(z, sitting.poses, r)
        return Portraits(rgb.view(-1, 3, r, r), seen.depth, seen.mask)

    def surfaces(self, sitting: Sitting, coarse: int) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.meshes.raster(self._heard(sitting), sitting.poses, sitting.resolution)
        return seen.depth + self.push, seen.mask & torch.tensor(not self.empty)


def judge(images: torch.Tensor) -> SimpleNamespace:
    told, d = images.flatten(1), 34
    z, pose, marks = told[:, :d], told[:, d : d + 2], told[:, d + 2 : d + 138]
    return SimpleNamespace(z=z, pose=pose, landmarks=marks.view(-1, 68, 2))


@pytest.fixture
def bench(obedience):
    meshes = obedience.meshes()

    def make(*sources, metrics=METRICS):
        own = tuple(sources) or (Telepath(meshes),)
        manifest = load_manifest(obedience.data)
        return ControlBench(Metrics.model_validate(metrics), manifest, meshes, own, judge)

    return make


def values(numbers):
    return {(row["model"], row["metric"]): row["value"] for row in numbers["rows"]}


@pytest.fixture
def telling_data(monkeypatch):
    """Test images that tell random coefficients, poses and landmarks."""
    own = torch.Generator().manual_seed(0)
    told = torch.zeros(12, 768)
    told[:, :172] = torch.randn(12, 172, generator=own)
    told[:, 34:36] *= 0.3
    images = (told.view(12, 3, 16, 16) + 1) * 127.5
    monkeypatch.setattr(protocols, "load_images", lambda *_: images)


def test_only_the_varied_factor_moves_for_one_who_obeys(bench, telling_data):
    numbers = protocols.measure_disentanglement(bench())
    for varied, own in numbers["spreads"]["telepath"].items():
        for key, spread in own.items():
            # as much as among random heads, or not at all
            assert spread == pytest.approx(1, abs=0.35) if key == varied else spread < 1e-6
    metrics = {row["metric"] for row in numbers["rows"]}
    assert metrics == {"ds_shape", "ds_expression", "ds_pose", "ds_light"}
    assert all("6 subjects x 4 images, 16 px" in row["protocol"] for row in numbers["rows"])


def test_what_leaks_into_other_factors_lowers_their_score(bench, obedience, telling_data):
    meshes = obedience.meshes()
    found = {}
    for leak in (0.5, 2.0):
        numbers = protocols.measure_disentanglement(bench(Telepath(meshes, leak=leak)))
        found[leak] = values(numbers)
        spreads = numbers["spreads"]["telepath"]
        own = spreads["light"]
        product = own["light"] ** 3 / (own["shape"] * own["expression"] * max(own["pose"], 1e-8))
        # mean of scores over two seeds, against the score of the mean spreads
        score = found[leak]["telepath", "ds_light"]
        assert score == pytest.approx(product, rel=0.5)
    for factor in ("shape", "expression", "light"):
        key = ("telepath", f"ds_{factor}")
        assert found[0.5][key] > 2 * found[2.0][key]


def test_shape_of_the_meshes_themselves_is_right_and_that_of_others_is_not(bench, obedience):
    found = values(protocols.measure_shape(bench(Renders(obedience.meshes()))))
    assert found["renders", "chamfer"] == 0
    assert found["renders", "chamfer_cross"] > 0.01
    assert found["renders", "face_hit_share"] == 1


def test_a_surface_behind_the_mesh_is_as_far_away_as_it_is(bench, obedience):
    meshes = obedience.meshes()
    found = values(protocols.measure_shape(bench(Telepath(meshes, push=0.0003))))
    # neighbouring points are ten times farther apart than 0.0003 camera radii
    assert found["telepath", "chamfer"] == pytest.approx(0.003, rel=0.02)


def test_cross_control_takes_mesh_and_pixels_of_the_other(bench, obedience):
    """By hand: the ball of one head against the ball of the next."""
    meshes = obedience.meshes()
    made = bench(Renders(meshes), metrics={**METRICS, "seeds": [0]})
    found = values(protocols.measure_shape(made))["renders", "chamfer_cross"]
    s = made.metrics.shape
    z = protocols.draw(meshes.layout, 0, "shapes", range(s.heads))
    seen = meshes.raster(z, torch.zeros(s.heads, 2), s.resolution)
    face = protocols.erode(meshes.face(seen)).flatten(1)
    points = camera_rays(torch.zeros(s.heads, 2), s.resolution, 12.0).at(
        seen.depth.flatten(1)[..., None]
    )[:, :, 0]
    by_hand = []
    for own in range(s.heads):
        other = (own + 1) % s.heads
        a = points[own][face[other] & seen.mask[own].flatten()]
        b = points[other][face[other]]
        apart = (a[:, None] - b[None]).norm(dim=-1)
        ways = [apart.amin(k).square().mean().sqrt() for k in (0, 1)]
        by_hand.append(float(sum(ways)) / 2 / 0.1)
    assert found == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-3)


def test_without_a_surface_there_is_no_distance_but_a_warning(bench, obedience, capsys):
    numbers = protocols.measure_shape(bench(Telepath(obedience.meshes(), empty=True)))
    assert values(numbers) == {("telepath", "face_hit_share"): 0.0}
    assert numbers["pairs_without_surface"] == 2 * 2 * 5
    assert "10 comparisons left out" in capsys.readouterr().err


def test_truncation_shrinks_mesh_and_field_alike(bench, obedience):
    meshes = obedience.meshes()
    alike = Telepath(meshes, "telepath_truncated", psi=0.5)
    numbers = protocols.measure_shape(bench(alike))
    assert values(numbers)["telepath_truncated", "chamfer"] == 0
    assert all("psi 0.5" in row["protocol"] for row in numbers["rows"])
    found = values(protocols.measure_landmarks(bench(alike)))
    assert found["telepath_truncated", "landmark_distance"] < 1e-3


def test_landmarks_of_one_who_obeys_and_of_one_who_does_not(bench, obedience):
    meshes = obedience.meshes()
    deaf = Telepath(meshes, "deaf", listens=False)
    large = {**METRICS, "landmarks": {"pairs": 24, "resolution": 64}}
    found = values(protocols.measure_landmarks(bench(Telepath(meshes), deaf, metrics=large)))
    assert found["telepath", "landmark_distance"] < 1e-3
    assert found["telepath", "expression_transfer"] < 1e-3
    assert found["telepath", "landmark_correlation"] > 0.95
    assert abs(found["telepath", "landmark_correlation_cross"]) < 0.35
    assert found["deaf", "landmark_distance"] > 3
    assert found["deaf", "landmark_correlation"] < 0.35
    assert found["deaf", "expression_transfer"] > 0.9


def test_evaluation_seeds_ask_for_other_heads(bench):
    one = values(protocols.measure_shape(bench(metrics={**METRICS, "seeds": [0]})))
    other = values(protocols.measure_shape(bench(metrics={**METRICS, "seeds": [1]})))
    key = ("telepath", "chamfer_cross")
    assert one[key] != other[key]
    both = {row["metric"]: row for row in protocols.measure_shape(bench())["rows"]}
    assert both["chamfer_cross"]["value"] == pytest.approx((one[key] + other[key]) / 2)


# --- gof evaluate ---------------------------------------------------------------------------------


@pytest.fixture
def files(obedience, tmp_path, monkeypatch):
    """Files of `obedience` with a judge that reads nonsense, but of the right shapes."""

    def nonsense(images: torch.Tensor) -> SimpleNamespace:
        mean = images.mean((1, 2, 3))[:, None]
        flat = images.flatten(1)
        marks = flat[:, :136].view(-1, 68, 2) * 0.1
        return SimpleNamespace(z=flat[:, :34] + mean, pose=flat[:, :2], landmarks=marks)

    monkeypatch.setattr(benches, "load_regressor", lambda path: nonsense)
    judged = tmp_path / "judge.yaml"
    judged.write_text("")
    return ControlFiles(obedience.head_model, obedience.statistics, judged)


@pytest.mark.parametrize("metric", ["disentanglement", "shape", "landmarks"])
def test_every_metric_of_a_generator_and_of_the_references(obedience, files, tmp_path, metric):
    def rows(generator, control):
        out = tmp_path / f"{metric}.json"
        wanted = EvaluateJob(metric, obedience.data, out, generator, control=control)
        run_evaluate(CONFIG, wanted)
        return json.loads(out.read_text())["numbers"]["rows"]

    own = rows(obedience.generator("cgof"), files)
    assert {row["model"] for row in own} == {"cgof", "cgof_truncated"}
    assert own == rows(obedience.generator("cgof"), files)
    for row in own:
        truncated = row["model"] == "cgof_truncated"
        assert ("psi 0.7" in row["protocol"]) == truncated
        assert "2 evaluation seeds" in row["protocol"]
    floor = replace(files, floor=obedience.generator("gof"))
    assert {row["model"] for row in rows(None, floor)} == {"random_pairing", "renders"}
    assert {row["model"] for row in rows(None, files)} == {"renders"}


def test_what_cannot_be_measured_is_named(obedience, files, tmp_path):
    out = tmp_path / "x.json"

    def wanted(metric, generator, control):
        return EvaluateJob(metric, obedience.data, out, generator, control=control)

    with pytest.raises(InputError, match="gof is no conditional generator"):
        run_evaluate(CONFIG, wanted("shape", obedience.generator("gof"), files))
    with pytest.raises(InputError, match="--head-model, --statistics: needed"):
        run_evaluate(CONFIG, wanted("shape", obedience.generator("cgof"), ControlFiles()))
    no_judge = replace(files, judge=None)
    with pytest.raises(InputError, match="--judge: needed"):
        run_evaluate(CONFIG, wanted("landmarks", obedience.generator("cgof"), no_judge))
    run_evaluate(CONFIG, wanted("shape", obedience.generator("cgof"), no_judge))
    assert out.exists()


def test_factors_are_blocks_of_the_latent_and_of_what_is_read(obedience):
    assert set(benches.READ_IN) | {"pose"} == set(benches.BLOCKS_OF)
    assert set(benches.READ_IN.values()) < set(BLOCKS)
    manifest = load_manifest(obedience.data)
    files = ControlFiles(obedience.head_model, obedience.statistics)
    made = control_bench(CONFIG, "shape", None, files, (manifest, "cpu"))
    assert [source.name for source in made.sources] == ["renders"]
    assert made.meshes.layout.free == 0
