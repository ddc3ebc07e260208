from dataclasses import replace

import pytest
import torch

from gof.data.manifest import load_manifest
from gof.data.reader import Reader
from gof.models.discriminator import Discriminator
from gof.models.settings import DiscriminatorNetwork
from gof.training import watch
from gof.training.schedule import plan
from gof.training.watch import CHANCE_LOGS, HELD, OVERFIT_LOOKS, compared, discriminator_fault

NETWORK = DiscriminatorNetwork(channel_base=64, channel_max=8, stddev_group=4)


def entry(real, fake, ranked=None):
    found = {"accuracy_real": real, "accuracy_fake": fake}
    return found if ranked is None else found | {"seen_above_held": ranked}


def test_a_discriminator_at_chance_is_named_once_it_has_been_so_for_long() -> None:
    chance = [entry(0.7, 0.4)] * CHANCE_LOGS
    assert "at chance" in discriminator_fault(chance)
    assert "right 55%" in discriminator_fault(chance)
    assert discriminator_fault(chance[1:]) == ""
    assert discriminator_fault([*chance[2:], entry(0.9, 0.8), entry(0.7, 0.4)]) == ""
    assert discriminator_fault([entry(0.9, 0.8)] * 3 + chance) != ""
    assert discriminator_fault([{"geometric": 0.1}] * 30) == ""


def test_one_that_overfits_is_named_when_several_looks_agree() -> None:
    known = [entry(0.95, 0.9, 0.75)] * OVERFIT_LOOKS
    found = discriminator_fault(known)
    assert "overfits" in found and "75% of pairs" in found
    assert discriminator_fault(known[1:]) == ""
    assert discriminator_fault([*known[1:], entry(0.95, 0.9, 0.65)]) == ""
    assert discriminator_fault([*known, entry(0.95, 0.9)]) != ""


def test_compared_are_as_many_images_of_training_as_of_validation(tiny_heads, monkeypatch) -> None:
    manifest = load_manifest(tiny_heads)
    found = compared(manifest, 16, NETWORK)
    splits = {"train": found.seen, "validation": found.held}
    count = min(HELD, *(manifest.splits[name].count for name in splits))
    for name, images in splits.items():
        assert torch.equal(images, Reader(manifest, name).images(16, range(count)))
    monkeypatch.setattr(watch, "HELD", 1)
    assert len(compared(manifest, 16, NETWORK).held) == 1
    splits = {name: own for name, own in manifest.splits.items() if name != "validation"}
    assert compared(replace(manifest, splits=splits), 16, NETWORK) is None


@pytest.mark.parametrize(("there", "taken"), [(7, 4), (8, 8), (3, 3), (5, 4)])
def test_any_number_of_held_out_images_suits_the_discriminator(
    tiny_heads, monkeypatch, there, taken
) -> None:
    monkeypatch.setattr(watch, "HELD", there)
    manifest = load_manifest(tiny_heads)
    splits = manifest.splits | {"validation": manifest.splits["train"]}
    discriminator = Discriminator(NETWORK)
    discriminator.grow(16, 0)
    images = compared(replace(manifest, splits=splits), 16, NETWORK).held
    assert len(images) == taken
    discriminator(images.float())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_probe_has_the_discriminator_rank_training_and_held_out_images(
    tiny, capsys, sign
) -> None:
    state, task = tiny.state(), tiny.task()
    shades = torch.zeros(4, dtype=torch.uint8), torch.zeros(5, dtype=torch.uint8)
    shades[0][3:], shades[1][2:] = 128, 128
    images = watch.Compared(*(shade[:, None, None, None].expand(-1, 3, 8, 8) for shade in shades))

    class Dark(torch.nn.Module):
        def forward(self, images, fade):
            assert images.min() == -1 and images.max() == pytest.approx(0.004, abs=1e-3)
            return -sign * images.mean((1, 2, 3)), None

    state.discriminator = Dark()
    state.history = [entry(1.0, 1.0, 1.0)] * (OVERFIT_LOOKS - 1)
    found = watch.probe(task, images)(state, plan(task.model, 0, 0))
    darker, equal = 3 * 3, 3 * 2 + 1 * 3
    share = (darker + equal / 2) / 20
    assert found["seen_above_held"] == pytest.approx(share if sign > 0 else 1 - share)
    assert "overfits" not in capsys.readouterr().err
    assert "seen_above_held" not in watch.probe(task)(state, plan(task.model, 0, 0))
    state.history = [entry(1.0, 1.0, 1.0)] * OVERFIT_LOOKS
    watch.probe(task)(state, plan(task.model, 0, 0))
    assert "overfits" in capsys.readouterr().err
