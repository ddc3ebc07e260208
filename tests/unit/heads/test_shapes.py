"""Alignment, sampling law and principal components against what they must give."""

import numpy as np
import torch

from gof.heads.shapes import (
    AGES,
    AMOUNTS,
    ANCESTRIES,
    FLOOR,
    NECK,
    SCALE,
    SEXES,
    Targets,
    align,
    flatten_neck,
    grow_hair,
    neck_pull,
    principal_components,
    random_person,
    to_world,
)


def cloud(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def test_alignment_undoes_any_similarity():
    reference = cloud(30, 3)
    turn, _ = torch.linalg.qr(cloud(5, 3, 3))
    turn = turn * torch.linalg.det(turn).sign()[:, None, None]
    size = torch.tensor([0.5, 0.9, 1.0, 1.7, 3.0]).double()
    moved = size[:, None, None] * reference @ turn + cloud(5, 1, 3)
    found = align(moved, reference, torch.arange(0, 30, 2))
    torch.testing.assert_close(found, reference.expand(5, -1, -1))


def test_alignment_looks_at_the_chosen_vertices_only_and_never_mirrors():
    reference = cloud(40, 3)
    spoilt = reference.clone()
    spoilt[20:] += 5
    found = align(spoilt[None], reference, torch.arange(20))[0]
    torch.testing.assert_close(found[:20], reference[:20])
    mirrored = (reference * torch.tensor([-1.0, 1, 1]))[None]
    found = align(mirrored, reference, torch.arange(40))[0]
    a, b, c, d = found[:4]
    orientation = torch.linalg.det(torch.stack([b - a, c - a, d - a]))
    a, b, c, d = reference[:4]
    assert orientation.sign() == -torch.linalg.det(torch.stack([b - a, c - a, d - a])).sign()


def test_components_rebuild_the_shapes_with_standard_normal_coefficients():
    basis = cloud(3, 20, 3)
    coefficients = cloud(60, 3) * torch.tensor([3.0, 1.0, 0.3]).double()
    shapes = (coefficients @ basis.flatten(1)).view(60, 20, 3).float() + 1
    mean, components, explained = principal_components(shapes, 3)
    torch.testing.assert_close(mean, shapes.mean(0))
    assert explained[-1] > 0.99999 and (explained.diff() > 0).all()
    flat = components.flatten(1)
    found = torch.linalg.lstsq(flat.T, (shapes - mean).flatten(1).T).solution
    torch.testing.assert_close(found.T @ flat, (shapes - mean).flatten(1), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.std(1), torch.ones(3), atol=1e-3, rtol=0)


def toy_targets():
    names = [f"{a}-{s}-{g}" for a in ANCESTRIES for s in SEXES for g in AGES]
    names += [
        f"universal-{s}-{g}-{m}-{w}"
        for s in SEXES
        for g in AGES
        for m in AMOUNTS[0]
        for w in AMOUNTS[1]
    ]
    none = torch.zeros(1)
    return Targets(tuple(names), none, none, none, np.arange(40) % 4 == 0)


def test_random_person_is_a_mixture_and_has_its_own_stream():
    targets = toy_targets()
    for index in range(50):
        macro, positive, negative, modes = random_person(targets, 0, index)
        assert abs(macro[:18].sum() - 1) < 1e-9 and abs(macro[18:].sum() - 1) < 1e-9
        assert (macro >= 0).all() and (positive >= 0).all() and (negative >= 0).all()
        assert (positive * negative == 0).all() and (negative[targets.one_sided] == 0).all()
        assert len(modes) == 4
    again = random_person(targets, 0, 49)
    assert all(
        (a == b).all() for a, b in zip(again, (macro, positive, negative, modes), strict=True)
    )
    assert (random_person(targets, 0, 1)[0] != random_person(targets, 1, 1)[0]).any()


def test_neck_ends_at_the_floor_and_the_face_is_untouched():
    height = torch.tensor([NECK, NECK + 0.2, NECK + 0.5, 8.0])
    points = to_world(torch.stack([torch.zeros(4), height, torch.zeros(4)], -1))[None]
    found = flatten_neck(points, neck_pull(height))[0, :, 1]
    assert abs(found[0] - FLOOR) < 1e-7
    torch.testing.assert_close(found[2:], points[0, 2:, 1])
    assert FLOOR < found[1] < points[0, 1, 1]
    assert (
        abs(float(points[0, 3, 1] - points[0, 2, 1]) - SCALE * float(height[3] - height[2])) < 1e-6
    )


def test_hair_rises_along_the_normals_by_its_thickness():
    square = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]]).expand(2, -1, -1)
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    layers = torch.zeros(5, 4)
    layers[0] = torch.tensor([0.1, 0.0, 0.2, 0.0])
    layers[1] = 0.5
    modes = torch.zeros(2, 4)
    modes[1, 0] = 1.0
    found = grow_hair(square, triangles, layers, modes)
    torch.testing.assert_close(found[..., :2], square[..., :2])
    torch.testing.assert_close(found[0, :, 2], layers[0])
    torch.testing.assert_close(found[1, :, 2], layers[0] * torch.tensor(0.5).exp())
