"""The head model file and its two linear maps."""

import numpy as np
import pytest
import torch

from gof.geometry.shading import to_linear, to_srgb
from gof.morphable.model import MorphableModel, write_model
from gof.run.files import InputError, write_npz


def test_vertices_are_linear_in_both_coefficients(head_model, arrays):
    model = MorphableModel.load(head_model)
    identity = torch.tensor([[0.0, 2, 0, 0, 0], [0, 0, 0, 0, 0]])
    expression = torch.tensor([[0.0, 0, 0, 0], [0, 0.5, 0, 0]])
    found = model.vertices(identity, expression).numpy()
    np.testing.assert_allclose(found[0], arrays["mean"] + 2 * arrays["identity"][1], atol=1e-7)
    np.testing.assert_allclose(found[1], arrays["mean"] + 0.5 * arrays["expression"][1], atol=1e-7)


def test_colours_follow_beer_and_lambert(head_model, arrays):
    model = MorphableModel.load(head_model)
    albedo = torch.tensor([[0.7, -1.2]])
    amounts = np.exp(arrays["spread"] * albedo[0].numpy())
    expected = np.exp(arrays["log_base"] - np.tensordot(amounts, arrays["absorbance"], 1))
    np.testing.assert_allclose(model.colours(albedo)[0], expected, rtol=1e-5)


def test_more_pigment_is_never_brighter(head_model):
    model = MorphableModel.load(head_model)
    less, more = model.colours(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))
    assert (more <= less).all() and (more < less).any()
    assert (less <= 1).all() and (more > 0).all()


@pytest.mark.parametrize("name", ["mean", "absorbance", "landmarks", "region_names"])
def test_missing_array_is_named(head_model, arrays, name):
    del arrays[name]
    write_npz(head_model, arrays)
    with pytest.raises(InputError, match=rf"head_model\.npz: {name} is missing"):
        MorphableModel.load(head_model)


@pytest.mark.parametrize(
    "name, change",
    [
        ("identity", lambda a: a[:, :-1]),
        ("log_base", lambda a: a[..., :2]),
        ("landmarks", lambda a: a[:67]),
        ("spread", lambda a: a[None]),
        ("mean", lambda a: a.ravel()),
    ],
)
def test_wrong_shape_is_named(head_model, arrays, name, change):
    arrays[name] = change(arrays[name])
    write_npz(head_model, arrays)
    with pytest.raises(InputError, match=r"head_model\.npz: \w+ has shape"):
        MorphableModel.load(head_model)


@pytest.mark.parametrize("value", [-1, 10**6])
def test_numbers_that_are_no_vertices_are_refused(head_model, arrays, value):
    arrays["triangles"][3, 1] = value
    write_npz(head_model, arrays)
    with pytest.raises(InputError, match="triangles holds numbers that are no vertices"):
        MorphableModel.load(head_model)


def test_values_that_are_not_finite_are_refused(head_model, arrays):
    arrays["identity"][0, 0, 0] = np.nan
    write_npz(head_model, arrays)
    with pytest.raises(InputError, match="identity holds values that are not finite"):
        MorphableModel.load(head_model)


def test_damaged_file_is_one_clear_error(head_model):
    head_model.write_bytes(head_model.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"head_model\.npz: changed since"):
        MorphableModel.load(head_model)


def linear(arrays):
    """The same mesh with an albedo of three components."""
    rng = np.random.default_rng(2)
    count = len(arrays["mean"])
    kept = ("mean", "identity", "expression", "expression_names", "triangles", "landmarks")
    return {name: arrays[name] for name in kept} | {
        "albedo_mean": rng.uniform(60, 190, (count, 3)).astype(np.float32),
        "albedo_basis": rng.normal(0, 9, (3, count, 3)).astype(np.float32),
    }


def test_linear_albedo_is_in_code_values(tmp_path, arrays):
    given, path = linear(arrays), tmp_path / "model.npz"
    write_model(path, given)
    model = MorphableModel.load(path)
    assert model.palette.size == 3 and len(model.palette.names) == 3
    assert model.face.all()
    albedo = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 30.0]])
    colours = model.colours(albedo)
    code = given["albedo_mean"] + np.tensordot(albedo[0].numpy(), given["albedo_basis"], 1)
    back = to_srgb(colours[0]).numpy() * 255
    np.testing.assert_allclose(back, code.clip(0, 255), atol=0.01)
    assert (colours >= 0).all() and (colours <= 1).all()


@pytest.mark.parametrize("kind", ["pigments", "albedo"])
def test_the_palette_of_some_vertices_is_part_of_the_whole(tmp_path, arrays, kind):
    path = tmp_path / "model.npz"
    write_npz(path, arrays if kind == "pigments" else linear(arrays))
    palette = MorphableModel.load(path).palette
    albedo = torch.randn(2, palette.size, generator=torch.Generator().manual_seed(0))
    some = torch.tensor([5, 2, 77])
    torch.testing.assert_close(palette.at(some).colours(albedo), palette.colours(albedo)[:, some])


def test_a_model_that_does_not_fit_together_is_not_written(tmp_path, arrays):
    given = linear(arrays)
    given["albedo_basis"] = given["albedo_basis"][:, :-1]
    with pytest.raises(InputError, match=r"model\.npz: albedo_basis has shape"):
        write_model(tmp_path / "model.npz", given)
    assert not (tmp_path / "model.npz").exists()


@pytest.mark.parametrize("name", ["mirror", "region"])
def test_numbers_beyond_their_table_are_refused(head_model, arrays, name):
    arrays[name] = arrays[name] + len(arrays["mean"])
    write_npz(head_model, arrays)
    with pytest.raises(InputError, match=f"{name} holds numbers that are no"):
        MorphableModel.load(head_model)


def test_linear_light_and_code_values_are_inverse():
    code = torch.linspace(0, 1, 1001)
    torch.testing.assert_close(to_srgb(to_linear(code)), code, atol=1e-5, rtol=0)
    assert to_linear(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 1.0]
