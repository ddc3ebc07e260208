"""Cars: their models out of a package, and their renders."""

import io
import math
import tarfile

import numpy as np
import pytest
import torch

from gof.cars.models import (
    ENTRIES,
    OPAQUE_GLASS,
    RADIUS,
    CarModel,
    attribution,
    both_sides,
    load_models,
    read_models,
    save_models,
)
from gof.cars.render import random_cars, render_cars, render_data_set
from gof.cars.settings import RenderedCars
from gof.data.assets import Asset, assets
from gof.data.manifest import load_manifest
from gof.data.reader import Reader
from gof.data.source import Making
from gof.experiment.config import Config
from gof.geometry.cameras import camera_rays
from gof.run.files import InputError, sha256, write_json
from tests.unit.run.test_archives import package
from tests.unit.toy_sets import zipped

PAPER = [115, 140, 178]  # the background's code values
# A box of 4 x 1 x 2 on wheels of glass, and another box inside, which nobody sees.
BOX = [(x, y, z) for x in (-1, 1) for y in (0, 1) for z in (-2, 2)]
FACES = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]


def obj(paint):
    lines = ["mtllib car.mtl"]
    for scale in (1.0, 0.5):
        lines += [f"v {x * scale} {0.5 + (y - 0.5) * scale} {z * scale}" for x, y, z in BOX]
    lines += [f"usemtl {paint}", *(f"f {face}" for face in FACES[:5])]
    lines += ["usemtl glass", f"f {FACES[5]}", "usemtl seats"]
    lines += ["f " + " ".join(str(int(k) + 8) for k in face.split()) for face in FACES]
    return "\n".join(lines)


def mtl(paint):
    kinds = {paint: "0.2 0.4 0.6\nd 1", "glass": "0.5 0.5 0.5\nd 0.3", "seats": "1 0 0\nd 1"}
    return "\n".join(f"newmtl {name}\nKd {values}" for name, values in kinds.items())


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    """A package like the real one, whose thirteen cars are boxes."""
    folder, libraries = tmp_path_factory.mktemp("deb"), {}
    for entry in ENTRIES:
        own, name = libraries.setdefault(entry.library, {}), entry.file.split("/")[-1]
        own[f"{entry.file}/{name}.obj"] = obj(entry.paint)
        own[f"{entry.file}/car.mtl"] = mtl(entry.paint)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for library, files in libraries.items():
            content = zipped(files)
            info = tarfile.TarInfo(f"./usr/share/sweethome3d/furniture/{library}.sh3f")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return package(folder / "cars.deb", buffer.getvalue())


def test_models_are_brought_into_one_frame_and_lose_what_nobody_sees(deb, tmp_path):
    found = read_models(deb)
    assert len(found) == len(ENTRIES) == 13
    for model in found:
        size = model.vertices.amax(0) - model.vertices.amin(0)
        assert float(size.norm()) == pytest.approx(2 * RADIUS, rel=0.02)
        torch.testing.assert_close(size / size[1], torch.tensor([2.0, 1.0, 4.0]), atol=0.1, rtol=0)
        assert len(model.triangles) == 12, "six sides; seats are inside"
        assert int(model.paint.sum()) == 10
        glass = model.colour[~model.paint]
        torch.testing.assert_close(glass, torch.tensor(OPAQUE_GLASS).expand_as(glass))
    save_models(tmp_path / "m.npz", found)
    again = load_models(tmp_path / "m.npz")
    assert len(again) == 13 and torch.equal(again[12].triangles, found[12].triangles)


def test_another_package_is_one_line(deb, tmp_path):
    with pytest.raises(InputError, match="another package"):
        read_models(package(tmp_path / "x.deb", _tar({"usr/readme": b""})))
    (tmp_path / "cut.deb").write_bytes(deb.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.deb"):
        read_models(tmp_path / "cut.deb")


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sphere_model(radius=0.2, turned=False):
    """A ball whose triangles may all look inward."""
    steps = 40
    polar, turn = np.meshgrid(
        np.linspace(1e-3, np.pi - 1e-3, steps), np.linspace(0, 2 * np.pi, steps), indexing="ij"
    )
    unit = np.stack(
        [np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1
    ).reshape(-1, 3)
    k = np.arange(steps * (steps - 1)).reshape(steps - 1, steps)[:, :-1].ravel()
    triangles = np.concatenate(
        [np.stack([k, k + steps, k + 1], -1), np.stack([k + 1, k + steps, k + steps + 1], -1)]
    )
    triangles = torch.from_numpy(triangles[:, ::-1].copy() if turned else triangles)
    points = torch.from_numpy(unit).float()
    count = len(triangles)
    paint = torch.ones(count, dtype=torch.bool)
    return CarModel(points * radius, points, triangles, torch.zeros(count, 3), paint)


@pytest.mark.parametrize("turned", [False, True])
def test_depth_and_normals_are_those_of_a_ball_whichever_way_its_triangles_look(turned):
    settings = RenderedCars(resolutions=(64,))
    cars = random_cars(settings, 1, "train", range(4))
    cars.stretch[:] = 1
    arrays = render_cars([sphere_model(turned=turned)], cars, settings)
    depth = arrays["depth_64"].astype(np.float64)
    near, far = settings.camera.near, settings.camera.far
    seen = depth > 0
    t = near + (depth - 1) / 65534 * (far - near)
    rays = camera_rays(cars.pose, 64, settings.camera.fov_deg)
    along = (rays.origins * rays.directions).sum(-1)
    inside = along**2 - (1 - 0.2**2)
    exact = (-along - inside.clamp(min=0).sqrt()).view(4, 64, 64).numpy()
    clear = (inside > 2e-3).view(4, 64, 64).numpy()
    assert seen[clear].all() and np.abs(t - exact)[clear].max() < 5e-3
    points = rays.at(torch.from_numpy(exact).float().view(4, -1, 1))[:, :, 0] / 0.2
    normal = arrays["normal_64"].reshape(4, -1, 3) / 127
    gap = np.abs(normal - points.numpy())[clear.reshape(4, -1)]
    assert gap.max() < 0.1 and (arrays["image_64"][:, 0, 0] == PAPER).all()


def test_every_number_has_its_own_car_and_cameras_look_from_above():
    settings = RenderedCars()
    some = random_cars(settings, 13, "train", range(400))
    one = random_cars(settings, 13, "train", [7])
    assert torch.equal(some.paint[7], one.paint[0]) and torch.equal(some.pose[7], one.pose[0])
    assert not torch.equal(random_cars(settings, 13, "test", [7]).paint, one.paint)
    assert set(some.which.tolist()) == set(range(13))
    assert some.pose[:, 1].min() >= math.asin(0.056) - 1e-6
    assert some.pose[:, 0].min() < -2.5 and some.pose[:, 0].max() > 2.5
    assert some.paint.min() >= 0 and some.paint.max() <= 0.9
    grey = (some.paint.amax(1) - some.paint.amin(1)) < 1e-6
    assert 0.3 < grey.float().mean() < 0.5
    assert some.stretch.max() <= 1 and some.stretch.min() > 0.7


def test_a_set_is_made_with_its_attribution(deb, tmp_path, monkeypatch):
    entry = {"file": "cars.deb", "licence": "CC BY 3.0", "from": ["apt:none=1"]}
    size, digest = deb.stat().st_size, sha256(deb)
    own = Asset(name="cars", **entry, **{"bytes": size, "sha256": digest})
    monkeypatch.setitem(assets(), "cars", own)
    record = tmp_path / "cars.json"
    write_json(record, {"name": "cars", "path": str(deb), "sha256": digest})
    settings = RenderedCars(train=6, validation=2, test=3, resolutions=(16, 32), shard_size=4)
    config = Config.parse({"tracking": {"enabled": False}})
    out = tmp_path / "set" / "manifest.json"
    render_data_set(Making("cars", settings, out, {}, config, {"cars": record}))
    manifest = load_manifest(out)
    assert [manifest.splits[name].count for name in ("train", "validation", "test")] == [6, 2, 3]
    assert Reader(manifest, "train").rows("pose", np.arange(6)).shape == (6, 2)
    text = out.with_name("attribution.md").read_text()
    assert text == attribution() and all(own.name in text for own in ENTRIES)
    assert "CC BY 3.0" in text and "Changes" in text


def test_both_sides_of_a_triangle_are_drawn():
    assert both_sides(torch.tensor([[0, 1, 2]])).tolist() == [[0, 1, 2], [2, 1, 0]]
