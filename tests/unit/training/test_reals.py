import torch

from gof.run import rng
from gof.training import reals
from gof.training.reals import Epochs, Reals


def make(seed: int = 0) -> Reals:
    images = torch.arange(7, dtype=torch.uint8)[:, None, None, None].expand(7, 3, 4, 4).clone()
    images[..., 0] += 100
    return Reals(lambda numbers: images[numbers], len(images), seed, flip=True)


def test_every_image_once_an_epoch_in_new_orders() -> None:
    reals = make()
    epochs = [reals.image_numbers(list(range(7 * e, 7 * e + 7))) for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_sample_is_the_same_whenever_it_is_asked_for() -> None:
    device = torch.device("cpu")
    all_at_once = make()(list(range(40)), device)
    alone = make()([33], device)
    torch.testing.assert_close(all_at_once[33], alone[0], rtol=0, atol=0)


def test_what_is_announced_comes_out_the_same() -> None:
    device, alone, ahead = torch.device("cpu"), make(), make()
    with ahead.ahead:
        for start in range(0, 40, 5):
            ahead.announce(list(range(start, start + 5)), device)
        for start in range(0, 40, 5):
            rows = list(range(start, start + 5))
            assert torch.equal(ahead(rows, device), alone(rows, device))


def test_flips_are_about_half_and_values_span_the_range() -> None:
    batch = make()(list(range(400)), torch.device("cpu"))
    flipped = (batch[:, 0, 0, -1] > batch[:, 0, 0, 0]).float().mean()
    assert 0.4 < flipped < 0.6
    assert batch.min() == -1


def test_the_orders_of_two_epochs_are_kept_and_no_more(monkeypatch) -> None:
    drawn, real = [], rng.generator
    monkeypatch.setattr(
        reals.rng, "generator", lambda *given: drawn.append(given[-1]) or real(*given)
    )
    epochs = Epochs(3, 0, "order")
    for _ in range(4):  # a batch across the border of two epochs, read ahead and again
        epochs([2, 3])
    assert drawn == [0, 1]
    epochs([6])
    epochs([3, 6])
    assert drawn == [0, 1, 2]
    epochs([0])
    assert drawn == [0, 1, 2, 0]
