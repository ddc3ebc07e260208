"""What a page asks for, held against what programs get."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import gof
from gof.fields.analytic import sphere
from gof.geometry.cameras import camera_rays
from gof.live.asked import MOST, REACH, SHOWN, Asked, Subject, picture
from gof.models import pretrained as generators
from gof.pictures.api import Heads
from gof.pictures.edits import Edit, swept
from gof.pictures.views import (
    depth_picture,
    field_views,
    render_views,
    shaded_picture,
    to_uint8,
)
from gof.rendering.surface_image import surface_image

FIRST = Asked(seed=2, yaw=0.2, pitch=-0.1, resolution=16)
CHANGES = {
    "seed": {"seed": 3},
    "truncation": {"truncation": 0.2},
    "yaw": {"yaw": -0.4},
    "pitch": {"pitch": 0.3},
    "resolution": {"resolution": 24},
}


@pytest.fixture(scope="module")
def subject():
    return Subject(generators.load(gof.models.packaged.FOLDER / "heads-gof.yaml"))


@pytest.fixture(scope="module")
def conditional(obedience):
    return Subject(generators.load(obedience.generator("cgof")), obedience.meshes().statistics)


def shown(subject, asked):
    return picture(render_views(subject.model, subject.request(asked)), asked.shown)


@pytest.mark.parametrize("name", ["none", *CHANGES])
def test_a_control_changes_what_programs_get(name, subject) -> None:
    asked = replace(FIRST, **CHANGES.get(name, {}))
    heads = Heads(subject.model)
    seen = heads(
        asked.seed,
        asked.yaw,
        asked.pitch,
        truncation=asked.truncation,
        resolution=asked.resolution,
    )
    assert np.array_equal(shown(subject, asked), np.asarray(seen.image()))
    before = shown(subject, FIRST)
    assert name == "none" or not np.array_equal(shown(subject, asked), before)


def test_a_blend_lies_between_two_heads(subject) -> None:
    one, other = (subject.model.heads([seed]) for seed in (2, 5))
    asked = replace(FIRST, other=5)
    assert torch.equal(subject.latent(asked), one)
    torch.testing.assert_close(subject.latent(replace(asked, share=1.0)), other)
    middle = subject.latent(replace(asked, share=0.5))
    torch.testing.assert_close(middle, (one + other) / 2**0.5)


def test_zoom_shows_the_middle_larger(subject) -> None:
    """Twice as near: the rays of the middle of a picture of twice the resolution."""
    near = subject.request(replace(FIRST, zoom=2.0))
    rays = camera_rays(near.poses, 16, near.fov_deg).directions.view(16, 16, 3)
    whole = camera_rays(near.poses, 32, subject.model.camera.fov_deg).directions.view(32, 32, 3)
    torch.testing.assert_close(rays, whole[8:24, 8:24])
    assert subject.request(FIRST).fov_deg is None


def test_surface_mode_is_one_colour_a_ray(subject) -> None:
    quick = replace(FIRST, quick=True)
    request = subject.request(quick)
    seen = render_views(subject.model, request)
    field = subject.model.bind(request.latents, request.truncation)
    rays = camera_rays(request.poses, 16, subject.model.camera.fov_deg)
    rgb, surface_t = surface_image(field, rays, subject.model.settings)
    assert torch.equal(seen.rgb[0].flatten(1).mT, rgb[0])
    assert torch.equal(seen.surface_t.flatten(), surface_t[0])
    assert torch.equal(seen.alpha > 0, seen.hit) and set(seen.alpha.unique().tolist()) == {0, 1}
    apart = shown(subject, quick).astype(float) - shown(subject, FIRST)
    assert 0 < np.abs(apart).mean() < 12


def test_a_draft_is_small_and_quick(subject) -> None:
    request = subject.request(FIRST, draft=8)
    assert (request.resolution, request.quick) == (8, True)
    assert subject.request(FIRST).quick is False
    pigan = Subject(generators.load(gof.models.packaged.FOLDER / "heads-pigan.yaml"))
    assert not pigan.request(FIRST, draft=8).quick
    assert not pigan.sound(replace(FIRST, quick=True)).quick


def test_pictures_are_those_of_sheets(subject) -> None:
    request = replace(subject.request(FIRST), normals=True)
    seen = field_views(subject.model, sphere(0.07, sharpness=4000), request)
    expected = {
        "colour": seen.rgb,
        "shape": shaded_picture(seen.normal, seen.hit),
        "normal": seen.normal_picture(),
        "depth": depth_picture(seen.surface_t, seen.hit),
        "alpha": seen.alpha[:, None].expand(-1, 3, -1, -1) * 2 - 1,
    }
    assert set(expected) == set(SHOWN)
    for name, images in expected.items():
        assert np.array_equal(picture(seen, name), to_uint8(images[0])), name
        needs = subject.request(replace(FIRST, shown=name)).normals
        assert needs == (name in ("shape", "normal"))


@pytest.mark.parametrize(
    "which", [("expression", "1"), ("expression", "jawOpen"), ("shape", "0"), ("light", "3")]
)
def test_an_edit_is_that_of_the_verb(which, conditional) -> None:
    wanted = Edit(*which, (-2.0, 1.5), 2, 4)
    latents, _ = swept(conditional.model, wanted, conditional.known)
    for value, latent in zip((-2.0, 1.5), latents, strict=True):
        asked = Asked(seed=4, edits=((which, value),))
        assert torch.equal(conditional.latent(asked)[0], latent)
        assert conditional.coordinates(asked, [which]) == pytest.approx([value], abs=1e-5)


def test_the_last_of_edits_holds_exactly(conditional) -> None:
    first, last = ("expression", "0"), ("expression", "jawOpen")
    asked = Asked(edits=((first, 2.0), (last, -1.0)))
    assert conditional.coordinates(asked, [last]) == pytest.approx([-1.0], abs=1e-5)


def test_components_are_those_of_the_verb(conditional, subject, obedience) -> None:
    assert subject.components == {}
    assert conditional.components["expression"] == ("0", "1", "jawOpen", "browInnerUp")
    assert conditional.components["shape"] == ("0", "1", "2")
    plain = Subject(conditional.model)
    assert plain.components["expression"] == ("0", "1")
    assert list(plain.components) == [
        *("shape", "expression", "albedo", "light", "free_geometry", "free_texture")
    ]
    assert torch.equal(plain.along(("shape", "1")), torch.eye(obedience.layout.total)[1])


def test_what_browsers_send_is_brought_within_bounds(conditional) -> None:
    wild = Asked(
        seed=-5,
        other=10**30,
        share=7.0,
        truncation=-1.0,
        yaw=99.0,
        pitch=-99.0,
        zoom=1e9,
        resolution=10**9,
        edits=((("shape", "0"), 1e9),),
    )
    sound = conditional.sound(wild)
    assert (sound.seed, sound.other, sound.share, sound.truncation) == (0, 10**9 - 1, 1.0, 0.0)
    assert (sound.yaw, sound.pitch) == (conditional.yaws[1], conditional.pitches[0])
    assert (sound.zoom, sound.resolution, sound.edits[0][1]) == (4.0, MOST, REACH)
    for wrong in ({"yaw": math.nan}, {"edits": ((("shape", "0"), math.inf),)}, {"shown": "x"}):
        with pytest.raises(ValueError, match="no "):
            conditional.sound(replace(FIRST, **wrong))


def test_a_page_turns_as_far_as_cameras_stood(subject) -> None:
    camera = subject.model.camera
    assert subject.yaws == (-3 * camera.yaw, 3 * camera.yaw)
    around = camera.model_copy(update={"law": "sphere", "elevation": (0.1, 0.9)})
    other = Subject(replace(subject.model, camera=around))
    assert other.yaws == (-math.pi, math.pi) and other.pitches == (0.1, 0.9)
