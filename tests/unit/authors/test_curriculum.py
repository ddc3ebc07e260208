"""What the authors' generators were trained with, read from options.txt or known."""

import math

import pytest

from gof.authors import curriculum
from gof.run.files import InputError
from tests.unit.authors import stand_ins

KNOWN = [(method, dataset) for method, dataset in curriculum.RELEASED]


def test_options_say_what_is_known_of_celeba(tmp_path) -> None:
    path = stand_ins.write_options(tmp_path / "options.txt", stand_ins.CURRICULUM)
    assert curriculum.read(path) == curriculum.released("gof", "celeba")


def test_intervals_and_cameras_are_those_of_the_data_sets() -> None:
    found = {name: curriculum.released("gof", name) for name in ("bfm", "celeba", "cats")}
    assert {name: own.interval_min for name, own in found.items()} == {
        "bfm": 0.02,
        "celeba": 0.03,
        "cats": 0.1,
    }
    faces, cats = found["celeba"].camera, found["cats"].camera
    assert (faces.fov_deg, faces.near, faces.far, faces.law) == (12, 0.88, 1.12, "gaussian")
    assert (faces.yaw, faces.pitch, faces.yaw_mean, faces.pitch_mean) == (0.3, 0.155, 0, 0)
    assert (cats.near, cats.far, cats.law, cats.yaw, cats.pitch) == (0.8, 1.2, "uniform", 0.5, 0.4)


@pytest.mark.parametrize(("method", "dataset"), KNOWN)
def test_every_known_one_has_a_camera(method, dataset) -> None:
    found = curriculum.released(method, dataset)
    assert found.camera.far - found.camera.near == pytest.approx(found.ray_end - found.ray_start)


def test_cars_are_seen_from_all_around_and_above() -> None:
    camera = curriculum.released("pigan", "carla").camera
    assert camera.law == "sphere"
    # Theirs: phi = arccos(1 - 2 v), v uniform up to 2 * (pi / 4 * 85 / 90) / pi.
    lowest = math.pi / 2 - math.acos(1 - 2 * 2 * 85 / 90 / 4)
    assert camera.elevation == pytest.approx((lowest, math.pi / 2))


def test_means_beside_the_front_are_angles_from_it(tmp_path) -> None:
    turned = stand_ins.CURRICULUM | {"h_mean": math.pi / 2 + 0.2, "v_mean": math.pi / 2 - 0.1}
    camera = curriculum.read(stand_ins.write_options(tmp_path / "o.txt", turned)).camera
    assert (camera.yaw_mean, camera.pitch_mean) == pytest.approx((-0.2, 0.1))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "last line is no curriculum"),
        ("__import__('os').system('touch ran')", "last line is no curriculum"),
        ("(" * 5000, "last line is no curriculum"),
        ("[1, 2]", "last line is no curriculum"),
        ("{'fov': 12}", "ray_start: Field required"),
        (str(stand_ins.CURRICULUM | {"fov": "wide"}), "fov: "),
        (str(stand_ins.CURRICULUM | {"model": "EmbeddingPiGAN128"}), "model: "),
        (str(stand_ins.CURRICULUM | {"fov": -3}), "fov: "),
    ],
)
def test_options_that_say_nothing_are_refused(tmp_path, text, match) -> None:
    (tmp_path / "options.txt").write_text(f"Namespace()\n\n{text}\n")
    with pytest.raises(InputError, match=match) as caught:
        curriculum.read(tmp_path / "options.txt")
    assert "\n" not in str(caught.value) and "options.txt" in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_which_data_set_has_to_be_said_where_there_are_several() -> None:
    with pytest.raises(InputError, match="--dataset: gof was trained on bfm, celeba, cats"):
        curriculum.released("gof", None)
    with pytest.raises(InputError, match="cgof was trained on celeba"):
        curriculum.released("cgof", "cats")
    assert curriculum.released("cgof", None).last_back


@pytest.mark.parametrize("law", ["hybrid", "truncated_gaussian"])
def test_laws_of_poses_that_ours_has_not_are_named(law) -> None:
    values = {**curriculum.RELEASED["gof", "celeba"], "sample_dist": law}
    with pytest.raises(InputError, match=f"sample_dist: poses by '{law}'"):
        _ = curriculum.Curriculum.model_validate(values).camera
