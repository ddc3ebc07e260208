"""Rows of `gof bench` about images and training; see `field_rows` for what ceilings count."""

from __future__ import annotations

import torch
from torch import Tensor

from gof.bench.measure import (
    Row,
    Timing,
    beside,
    colour_operations,
    least_row,
    logit_operations,
    rate_row,
)
from gof.bench.place import BFM, LARGE, Place
from gof.bench.step import Step
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.geometry.cameras import sample_poses
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.rendering.surface_image import surface_image
from gof.run import rng
from gof.training.arithmetic import small_as_zero


@torch.no_grad()
def image(place: Place) -> list[Row]:
    """One image of 128 px, 8 layers of 256, with the samples of the paper's preset at the end of
    training (9 coarse, 4 secant, 12 surface, 3 importance), and the same in surface mode. Ceiling:
    the coarse samples of rays that hit, up to the first that is occupied, and of a quarter of the
    others; one secant step and the further samples of rays that hit."""
    field, (rays, settings) = place.field(LARGE), place.view(128)
    gauge, out = place.products(LARGE).rate, render(field, rays, settings)
    hits, colour = int(out.hit.sum()), colour_operations(LARGE)
    full = beside(gauge, lambda: render(field, rays, settings))
    quick = beside(gauge, lambda: surface_image(field, rays, settings))
    found, samples = needed(out.surface_t, settings, LARGE), settings.surface + settings.fine
    return [
        _seconds("image", full, found + hits * samples * colour, 2.2),
        _seconds("image-surface", quick, found + hits * colour, 0.6),
    ]


def coarse_until(surface_t: Tensor, settings: RenderSettings) -> int:
    """Evenly spaced samples up to the first behind the surface, of rays that meet it at surface_t
    [batch, rays]; all of a quarter of those that meet nothing (far)."""
    spacing = (settings.far - settings.near) / settings.coarse
    hit = surface_t < settings.far
    before = ((surface_t[hit] - settings.near) / spacing + 0.5).floor()  # in the bins' middles
    missing = int((~hit).sum()) * settings.coarse // 4
    return int((before + 1).clamp(max=settings.coarse).sum()) + missing


def needed(surface_t: Tensor, settings: RenderSettings, network: FilmSirenSettings) -> int:
    """Operations that find the surface at surface_t [batch, rays]: coarse samples, and one secant
    step of rays that hit, the least that tells where."""
    hits = int((surface_t < settings.far).sum())
    return (coarse_until(surface_t, settings) + hits) * logit_operations(network)


def _seconds(name: str, timing: Timing, operations: float, target: float) -> Row:
    return least_row(name, timing.seconds, "s", operations / timing.gauge, target)


@torch.no_grad()
def surface_quality(place: Place) -> list[Row]:
    """How near one colour a ray comes to the full render: mean PSNR of 8 images of 128 px by a
    trained GOF."""
    model = place.trained()
    streams = rng.streams(0, "bench poses", range(8), place.device)
    rays = model.rays(sample_poses(model.camera, streams), 128)
    field = model.bind(model.latents(0, 8).to(place.device), 1.0)
    one, _ = surface_image(field, rays, model.settings)
    error = (one - render(field, rays, model.settings).rgb).square().mean((1, 2)) / 4
    psnr = float((-10 * torch.log10(error)).mean())
    return [Row("image-surface-psnr", psnr, "dB", target=35.0, holds=psnr >= 35)]


def training_step(place: Place) -> list[Row]:
    """Discriminator's and generator's update of the paper's preset at 64 px, batch 4, 8 layers of
    256; the mean over steps with R1, one in eight, and without. Ceiling: both updates' fakes as in
    `image`, and twice more for the generator's gradient; the discriminator counts as nothing."""
    step = Step.of(place, BFM, LARGE)
    found, shaded = _fakes(step, LARGE)
    return [_seconds("training-step", _timing(place, step, LARGE), 2 * found + 4 * shaded, 8.0)]


def default_step(place: Place) -> list[Row]:
    """A step of the GOF of the default run (4 layers of 64) at the end of its training: 32 px,
    batch 16, one batch of fakes for both updates; the mean likewise. Ceiling: those fakes and their
    gradient, three times the field at the pairs of points of the normal loss, and the
    discriminator's products for reals and fakes, each with the gradients it needs."""
    step = Step.going_on(place)
    network = step.task.networks.field
    assert isinstance(network, FilmSirenSettings)
    found, shaded = _fakes(step, network)
    stage, normal = step.plan.stage, step.task.model.normal
    pairs = stage.batch * normal.rays if normal.weight else 0
    # Reals and fakes there and back with the gradients of weights, then fakes without.
    judged = (3 + 3 + 2) * step.discriminator_operations()
    operations = found + 3 * shaded + 3 * 2 * pairs * logit_operations(network) + judged
    return [rate_row("training-step-default", operations, _timing(place, step, network), 0.6)]


def _fakes(step: Step, network: FilmSirenSettings) -> tuple[int, int]:
    """Operations that find the surfaces of a batch of fakes, and that shade them once."""
    settings, surface_t = step.settings, step.surface_t()
    hits = int((surface_t < settings.far).sum())
    shaded = hits * (settings.surface + settings.fine) * colour_operations(network)
    return needed(surface_t, settings, network), shaded


def _timing(place: Place, step: Step, network: FilmSirenSettings) -> Timing:
    """Of the mean over steps with R1 and without, in the arithmetic of training."""
    gauge = place.products(network).rate
    with small_as_zero():
        plain, penalised = beside(gauge, step.without_r1()), beside(gauge, step)
    share = 1 / step.task.training.r1_every
    return Timing(plain.seconds + share * (penalised.seconds - plain.seconds), plain.gauge)
