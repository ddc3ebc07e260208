"""cGOF's statistics, fits and detections."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

import gof.cli.main as cli
from gof.authors import faces
from gof.authors.weights import BLOCKS as LATENT_BLOCKS
from gof.geometry.lighting import shade
from gof.morphable.coefficients import BLOCKS, LATENT, Statistics
from gof.readers.deep3d import on_plane, shading
from gof.run.files import InputError, read_npz

SIZES = {"id": 80, "exp": 64, "tex": 80, "angle": 3, "gamma": 27, "trans": 3, "lm68": 136}


def distribution(count=300):
    """What their script makes of fits: mean, std, L and L_ of each array."""
    draws = np.random.default_rng(3)
    found = {}
    for key, size in SIZES.items():
        values = draws.normal(size=(count, size)) @ draws.normal(size=(size, size)) / 20
        factor = np.linalg.cholesky(np.cov(values.T))
        found[key] = {
            "mean": values.mean(0).reshape(1, size),
            "std": values.std(0).reshape(1, size),
            "L": factor,
            "L_": np.linalg.inv(factor),
        }
    return found


def fit(draws, **changes):
    """One image's."""
    own = {key: draws.normal(size=(1, size)) * 0.3 for key, size in SIZES.items()}
    own["lm68"] = draws.uniform(0, 223, (1, 68, 2))
    return own | changes


def test_the_latent_s_blocks_are_in_our_order() -> None:
    assert tuple(LATENT_BLOCKS) == LATENT and sum(LATENT_BLOCKS.values()) == 411


def test_statistics_become_ours(tmp_path) -> None:
    given = distribution()
    np.savez(tmp_path / "coeff_distribution_L.npz", **given)
    words = [
        "--files",
        f"{tmp_path}/coeff_distribution_L.npz",
        "--out",
        f"{tmp_path}/statistics.npz",
    ]
    cli.main(["import-faces", "statistics", *words])
    found = Statistics.load(tmp_path / "statistics.npz")
    assert found.sizes == dict(zip(BLOCKS, (80, 64, 80, 27), strict=True))
    for ours, theirs in (("identity", "id"), ("expression", "exp"), ("albedo", "tex")):
        np.testing.assert_allclose(found.mean[ours], given[theirs]["mean"][0], rtol=1e-6)
        np.testing.assert_allclose(found.factor[ours], given[theirs]["L"], atol=1e-6)


def test_a_light_shows_faces_as_theirs_does(tmp_path) -> None:
    given = distribution()
    given["gamma"]["L"] = np.eye(27) * 1e-4  # all faces in nearly one light
    np.savez(tmp_path / "a.npz", **given)
    found = faces.statistics(tmp_path / "a.npz").mean["light"].view(1, 9, 3)
    normals = torch.nn.functional.normalize(torch.randn(1, 500, 3), dim=-1)
    theirs = shading(torch.from_numpy(given["gamma"]["mean"]).float(), normals).clamp_min(1e-3)
    ours = shade(normals, found).clamp_min(1e-3) ** (1 / 2.2)
    assert (ours - theirs).abs().mean() < 0.05 * theirs.mean()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.pop("tex"), "holds no mean of tex"),
        (lambda d: d["id"].pop("L"), "holds no L of id"),
        (lambda d: d["exp"].update(L=np.eye(63)), r"L of exp has shape \(63, 63\)"),
        (lambda d: d["exp"].update(mean=np.full((1, 64), np.nan)), "mean of exp"),
        (lambda d: d["id"].update(L=-np.eye(80)), "no Cholesky factor"),
    ],
)
def test_statistics_that_do_not_fit_are_named(tmp_path, change, match) -> None:
    given = distribution()
    change(given)
    np.savez(tmp_path / "a.npz", **given)
    with pytest.raises(InputError, match=match) as caught:
        faces.statistics(tmp_path / "a.npz")
    assert "\n" not in str(caught.value) and "a.npz" in str(caught.value)


def test_fits_become_a_table_with_its_statistics(tmp_path) -> None:
    draws = np.random.default_rng(0)
    own = [fit(draws) for _ in range(5)]
    own[0]["angle"] = np.array([[0.0, 0.3, 0.0]])
    (tmp_path / "mats").mkdir()
    for k, one in enumerate(own):
        savemat(tmp_path / "mats" / f"{k:06d}.mat", one)
    words = ["--files", f"{tmp_path}/mats", "--out", f"{tmp_path}/fits/"]
    cli.main(["import-faces", "fits", *words])
    found = read_npz(tmp_path / "fits" / "fits.npz")
    assert found["name"].tolist() == [f"{k:06d}" for k in range(5)]
    np.testing.assert_allclose(found["albedo"][3], own[3]["tex"][0], rtol=1e-6)
    np.testing.assert_allclose(found["translation"][3], own[3]["trans"][0], rtol=1e-6)
    # A head turned about y is seen from the other side.
    np.testing.assert_allclose(found["pose"][0], [-0.3, 0], atol=1e-6)
    statistics = Statistics.load(tmp_path / "fits" / "statistics.npz")
    means = np.stack([one["id"][0] for one in own]).mean(0)
    np.testing.assert_allclose(statistics.mean["identity"], means, rtol=1e-5, atol=1e-7)


def test_landmarks_lie_where_its_camera_puts_them(tmp_path) -> None:
    points = torch.rand(1, 68, 3, generator=torch.Generator().manual_seed(1)).double() - 0.5
    crop = 112 + 1015 * points[..., :2] / (10 - points[..., 2:])  # y up
    crop[..., 1] = 223 - crop[..., 1]  # as its files have it
    (tmp_path / "m").mkdir()
    savemat(tmp_path / "m" / "a.mat", fit(np.random.default_rng(0), lm68=crop.numpy()))
    found = faces.fits(tmp_path / "m")["landmarks"]
    np.testing.assert_allclose(found, on_plane(points), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"id": np.zeros((1, 79))}, r"id is of shape \(1, 79\), expected \(1, 80\)"),
        ({"gamma": np.full((1, 27), np.inf)}, "gamma holds numbers that are not finite"),
        ({"lm68": "text"}, "lm68 is of shape"),
    ],
)
def test_fits_that_do_not_fit_are_named(tmp_path, changes, match) -> None:
    (tmp_path / "m").mkdir()
    savemat(tmp_path / "m" / "b.mat", fit(np.random.default_rng(0), **changes))
    with pytest.raises(InputError, match=rf"b\.mat: {match}"):
        faces.fits(tmp_path / "m")


def test_damaged_fits_and_empty_folders_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no folder with \.mat files"):
        faces.fits(tmp_path)
    (tmp_path / "c.mat").write_text("text")
    with pytest.raises(InputError, match=r"c\.mat.*no MATLAB file") as caught:
        faces.fits(tmp_path)
    assert "\n" not in str(caught.value)


def test_detections_become_points_on_the_image_plane(tmp_path) -> None:
    (tmp_path / "detections").mkdir()
    text = "92.9 132\n162.2 132\n128 175\n99 206\n157 206\n"
    (tmp_path / "detections" / "000001.txt").write_text(text)
    words = ["--files", f"{tmp_path}/detections", "--out", f"{tmp_path}/out/"]
    cli.main(["import-faces", "detections", *words])
    found = read_npz(tmp_path / "out" / "detections.npz")
    assert found["name"].tolist() == ["000001"] and found["points"].shape == (1, 5, 2)
    nose, eye = found["points"][0, 2], found["points"][0, 0]
    assert nose == pytest.approx((0, 1 - 2 * 175 / 256)) and eye[1] > nose[1]


@pytest.mark.parametrize("text", ["", "1 2\n" * 4, "1 2 3\n" * 5, "a b\n" * 5, "nan 1\n" * 5])
def test_detections_that_are_none_are_named(tmp_path, text) -> None:
    (tmp_path / "d.txt").write_text(text)
    with pytest.raises(InputError, match=r"d\.txt: not five lines"):
        faces.detections(tmp_path)
