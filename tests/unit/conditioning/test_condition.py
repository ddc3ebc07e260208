import torch

from tests.unit.toy_training import sphere_depth

CPU = torch.device("cpu")


def test_a_sample_has_its_condition_whatever_the_batch(tiny_faces) -> None:
    pool = tiny_faces.conditioner.pool
    together, alone = pool([5, 6, 7], "generator", CPU), pool([6], "generator", CPU)
    assert torch.equal(together.face[1:2], alone.face)
    assert torch.equal(together.depth[1:2], alone.depth)


def test_an_epoch_has_every_head_once_and_the_updates_see_other_orders(tiny_faces) -> None:
    pool = tiny_faces.conditioner.pool
    first = pool(list(range(12)), "generator", CPU).face
    second = pool(list(range(12, 24)), "generator", CPU).face
    other = pool(list(range(12)), "discriminator", CPU).face
    assert len(first.unique(dim=0)) == 12
    assert torch.equal(first.unique(dim=0), second.unique(dim=0))
    assert not torch.equal(first, second) and not torch.equal(first, other)


def test_depth_and_picture_belong_to_the_coefficients(tiny_faces) -> None:
    seen = tiny_faces.conditioner.pool([0, 1, 2, 3], "generator", CPU)
    radius = 0.08 * (1 + 0.05 * seen.face[:, 0])
    for depth, size in ((seen.depth, 8), (seen.labels, 16)):
        truth = sphere_depth(seen.poses, size, radius).flatten(1)
        torch.testing.assert_close(depth, truth, atol=1e-5, rtol=0)
    assert torch.equal(seen.guide.mask, seen.depth > 0) and seen.guide.mask.any()
    assert seen.picture.shape == (4, 3, 256)
    assert torch.equal(seen.face[:, :3], seen.other[:, :3])
    assert not torch.equal(seen.face[:, 3:5], seen.other[:, 3:5])


def test_values_are_floats_in_their_range_on_the_device_asked_for(tiny_faces) -> None:
    seen = tiny_faces.conditioner.pool([0, 1], "generator", CPU)
    assert all(getattr(seen, name).dtype == torch.float32 for name in seen.__dataclass_fields__)
    torch.testing.assert_close(seen.picture, torch.full_like(seen.picture, 128 / 127.5 - 1))
    assert seen.flow.shape == (2, 64, 3) and seen.landmarks.shape == (2, 68, 2)
    elsewhere = tiny_faces.conditioner.pool([0, 1], "generator", torch.device("meta"))
    found = {getattr(elsewhere, name).device.type for name in elsewhere.__dataclass_fields__}
    assert found == {"meta"}


def test_some_rows_of_a_condition_are_those_of_all_its_parts(tiny_faces) -> None:
    seen = tiny_faces.conditioner.pool([0, 1, 2], "generator", CPU)
    for name in seen.__dataclass_fields__:
        assert torch.equal(getattr(seen[1:2], name)[0], getattr(seen, name)[1])
