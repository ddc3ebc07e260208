import pytest
import torch

from gof.geometry.cameras import camera_rays
from gof.metrics.portraits import Renders
from gof.metrics.scores.depth_errors import erode
from gof.metrics.shape import ShapeSettings
from tests.unit.metrics.obeying import METRICS, Telepath, values


def test_shape_of_the_meshes_themselves_is_right_and_that_of_others_is_not(scores, obedience):
    found = values(scores("shape", Renders(obedience.meshes())))
    assert found["renders", "chamfer"] == 0
    assert found["renders", "chamfer_cross"] > 0.01
    assert found["renders", "face_hit_share"] == 1


def test_a_surface_behind_the_mesh_is_as_far_away_as_it_is(scores, obedience):
    meshes = obedience.meshes()
    found = values(scores("shape", Telepath(meshes, push=0.0003)))
    # neighbouring points are ten times farther apart than 0.0003 camera radii
    assert found["telepath", "chamfer"] == pytest.approx(0.003, rel=0.02)


def test_cross_control_takes_mesh_and_pixels_of_the_other(scores, obedience):
    """By hand: the ball of one head against the ball of the next."""
    meshes = obedience.meshes()
    made = scores("shape", Renders(meshes), metrics={**METRICS, "seeds": [0]})
    found = values(made)["renders", "chamfer_cross"]
    s = ShapeSettings(**METRICS["shape"])
    z = meshes.layout.draw(0, "shapes", range(s.heads))
    seen = meshes.raster(z, torch.zeros(s.heads, 2), s.pixels)
    face = erode(meshes.face(seen)).flatten(1)
    points = camera_rays(torch.zeros(s.heads, 2), s.pixels, 12.0).at(
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


def test_without_a_surface_there_is_no_distance_but_a_warning(scores, obedience, capsys):
    numbers = scores("shape", Telepath(obedience.meshes(), empty=True))
    assert values(numbers) == {("telepath", "face_hit_share"): 0.0}
    assert numbers["pairs_without_surface"] == 2 * 2 * 5
    assert "10 comparisons left out" in capsys.readouterr().err


def test_truncation_shrinks_mesh_and_field_alike(scores, obedience):
    meshes = obedience.meshes()
    alike = Telepath(meshes, "telepath_truncated", psi=0.5)
    numbers = scores("shape", alike)
    assert values(numbers)["telepath_truncated", "chamfer"] == 0
    assert all("psi 0.5" in row["protocol"] for row in numbers["rows"])


def test_evaluation_seeds_ask_for_other_heads(scores):
    one = values(scores("shape", metrics={**METRICS, "seeds": [0]}))
    other = values(scores("shape", metrics={**METRICS, "seeds": [1]}))
    key = ("telepath", "chamfer_cross")
    assert one[key] != other[key]
    both = {row["metric"]: row for row in scores("shape")["rows"]}
    assert both["chamfer_cross"]["value"] == pytest.approx((one[key] + other[key]) / 2)
