"""The head model file and its two linear maps."""

import numpy as np
import pytest
import torch

from gof.faces.morphable import MorphableModel
from gof.io import InputError, write_npz


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
    with pytest.raises(InputError, match=r"head_model\.npz: damaged"):
        MorphableModel.load(head_model)
