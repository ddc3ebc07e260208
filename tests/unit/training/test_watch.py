from dataclasses import replace

import pytest
import torch

from gof.data.manifest import load_manifest
from gof.models.discriminator import Discriminator
from gof.models.settings import DiscriminatorNetwork
from gof.training import watch
from gof.training.schedule import plan
from gof.training.watch import CHANCE_LOGS, HELD, OVERFIT_LOOKS, discriminator_fault, held_out

NETWORK = DiscriminatorNetwork(channel_base=64, channel_max=8, stddev_group=4)


def entry(real, fake, held=None):
    found = {"accuracy_real": real, "accuracy_fake": fake}
    return found if held is None else found | {"accuracy_held": held}


def test_a_discriminator_at_chance_is_named_once_it_has_been_so_for_long() -> None:
    chance = [entry(0.7, 0.4)] * CHANCE_LOGS
    assert "at chance" in discriminator_fault(chance)
    assert "right 55%" in discriminator_fault(chance)
    assert discriminator_fault(chance[1:]) == ""
    assert discriminator_fault([*chance[2:], entry(0.9, 0.8), entry(0.7, 0.4)]) == ""
    assert discriminator_fault([entry(0.9, 0.8)] * 3 + chance) != ""
    assert discriminator_fault([{"geometric": 0.1}] * 30) == ""


def test_one_that_overfits_is_named_when_several_looks_agree() -> None:
    known = [entry(0.95, 0.9, 0.6)] * OVERFIT_LOOKS
    found = discriminator_fault(known)
    assert "overfits" in found and "95%" in found and "60% of held-out" in found
    assert discriminator_fault(known[1:]) == ""
    assert discriminator_fault([*known[1:], entry(0.95, 0.9, 0.7)]) == ""
    assert discriminator_fault([*known, entry(0.85, 0.9)]) == ""


def test_held_out_images_are_those_of_the_validation_split(tiny_heads, monkeypatch) -> None:
    manifest = load_manifest(tiny_heads)
    assert held_out(manifest, 16, NETWORK).shape[1:] == (3, 16, 16)
    assert len(held_out(manifest, 16, NETWORK)) == min(HELD, manifest.splits["validation"].count)
    monkeypatch.setattr(watch, "HELD", 1)
    assert len(held_out(manifest, 16, NETWORK)) == 1
    splits = {name: own for name, own in manifest.splits.items() if name != "validation"}
    assert held_out(replace(manifest, splits=splits), 16, NETWORK) is None


@pytest.mark.parametrize(("there", "taken"), [(7, 4), (8, 8), (3, 3), (5, 4)])
def test_any_number_of_held_out_images_suits_the_discriminator(
    tiny_heads, monkeypatch, there, taken
) -> None:
    monkeypatch.setattr(watch, "HELD", there)
    manifest = load_manifest(tiny_heads)
    splits = manifest.splits | {"validation": manifest.splits["train"]}
    discriminator = Discriminator(NETWORK)
    discriminator.grow(16, 0)
    images = held_out(replace(manifest, splits=splits), 16, NETWORK)
    assert len(images) == taken
    discriminator(images.float())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_probe_asks_the_discriminator_about_held_out_images(tiny, capsys, sign) -> None:
    state, task, held = tiny.state(), tiny.task(), torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    held[3:] = 255

    class Dark(torch.nn.Module):
        def forward(self, images, fade):
            assert images.min() == -1 and images.max() == 1
            return -sign * images.mean((1, 2, 3)), None

    state.discriminator = Dark()
    state.history = [entry(1.0, 1.0, 0.0)] * (OVERFIT_LOOKS - 1)
    found = watch.probe(task, held)(state, plan(task.model, 0, 0))
    assert found["accuracy_held"] == pytest.approx(0.6 if sign > 0 else 0.4)
    assert ("overfits" in capsys.readouterr().err) == (1.0 - found["accuracy_held"] > 0.3)
    assert "accuracy_held" not in watch.probe(task)(state, plan(task.model, 0, 0))
