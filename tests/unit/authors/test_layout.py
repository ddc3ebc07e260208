"""Files of weights as the authors have them, and files that are none of theirs."""

import pickle
import re

import pytest
import torch

from gof.authors import curriculum, layout
from gof.authors.weights import networks
from gof.models.generator import Generator
from gof.run.files import InputError
from tests.unit.authors import stand_ins


def refused(path, match):
    with pytest.raises(InputError, match=match) as caught:
        layout.read(path, 256)
    text = str(caught.value)
    assert "\n" not in text and path.name in text
    return text


def test_ours_have_the_same_30_tensors(tensors) -> None:
    assert list(layout.tensors(256)) == list(tensors)
    found = curriculum.released("gof", "celeba")
    own = Generator(networks("gof", found)).state_dict()
    del own["mean_style"]
    known = dict(layout.tensors(256).values())
    assert known == {name: tuple(value.shape) for name, value in own.items()}
    assert len(known) == 30 and sum(value.numel() for value in own.values()) == 1_910_788


def test_a_state_dict_and_a_moving_average_hold_the_same(tmp_path, tensors) -> None:
    torch.save(tensors, tmp_path / "generator.pth")
    stand_ins.write_ema(tmp_path / "ema.pth", tensors)
    for name in ("generator.pth", "ema.pth"):
        found = layout.read(tmp_path / name, 256)
        for theirs, (ours, _) in layout.tensors(256).items():
            assert torch.equal(found[ours], tensors[theirs]), (name, theirs)


def test_a_whole_module_is_refused_and_another_file_named(tmp_path, tensors) -> None:
    path = stand_ins.write_module(tmp_path / "generator.pth", tensors)
    text = refused(path, "a whole pickled module")
    assert "generators.generators.ImplicitGenerator3d" in text and "give ema.pth" in text


def test_an_average_that_would_run_something_does_not(tmp_path) -> None:
    class Command:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    (tmp_path / "ema.pth").write_bytes(pickle.dumps(Command(), protocol=2))
    refused(tmp_path / "ema.pth", "ema.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("siren.final_layer.bias"), r"lacks siren\.final_layer\.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "holds extra"),
        (
            lambda t: t.update({"siren.final_layer.weight": torch.zeros(2, 256)}),
            r"siren\.final_layer\.weight has shape \(2, 256\), expected \(1, 256\)",
        ),
        (
            lambda t: t.update({"siren.network.3.layer.bias": torch.full((256,), torch.nan)}),
            r"siren\.network\.3\.layer\.bias holds numbers that are not finite",
        ),
        (lambda t: t.update({"siren.final_layer.bias": {}}), r"final_layer\.bias has shape \(\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, tensors, change, match) -> None:
    changed = tensors.copy()
    change(changed)
    torch.save(changed, tmp_path / "generator.pth")
    refused(tmp_path / "generator.pth", match)


def test_an_average_of_another_network_is_refused(tmp_path, tensors) -> None:
    fewer = tensors.copy()
    fewer.popitem()
    stand_ins.write_ema(tmp_path / "ema.pth", fewer)
    refused(tmp_path / "ema.pth", "average of 29 tensors")
    swapped = dict(reversed(tensors.items()))
    stand_ins.write_ema(tmp_path / "ema.pth", swapped)
    refused(tmp_path / "ema.pth", re.escape("siren.network.0.layer.weight has shape (4608,)"))


def test_other_methods_latents_are_told_apart(tmp_path) -> None:
    stand_ins.write_ema(tmp_path / "ema.pth", stand_ins.state(latent=411))
    refused(tmp_path / "ema.pth", r"network\.0\.weight has shape \(256, 411\), expected \(256, 256")


@pytest.mark.parametrize("content", [b"", b"no weights, but text\n", b"\x80\x02}q\x00."])
def test_what_is_no_file_of_weights_is_refused(tmp_path, content) -> None:
    (tmp_path / "ema.pth").write_bytes(content)
    refused(tmp_path / "ema.pth", "ema.pth")


def test_a_truncated_file_is_refused(tmp_path, tensors) -> None:
    path = stand_ins.write_ema(tmp_path / "ema.pth", tensors)
    path.write_bytes(path.read_bytes()[:100_000])
    refused(path, "not a file of weights")


def test_a_missing_file_is_named(tmp_path) -> None:
    refused(tmp_path / "ema.pth", "no such file")
