"""A photograph as a head of a generator: the style and pose that show it best, then a generator
tuned to it.

First style and pose are searched for with the generator as it is (Abdal et al., "Image2StyleGAN",
2019), then its field is tuned with the style held (Roich et al., "Pivotal tuning", 2021), while
what the head looks like from beside is held to what it was.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from gof.data.collection import crop_and_resize, decode
from gof.data.manifest import ESTIMATED
from gof.experiment.config import Config
from gof.fields.field import Field
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.morphable.alignment import PLACES, aligned
from gof.morphable.detector import load as load_detector
from gof.pictures.jobs import InvertJob
from gof.pictures.views import ViewRequest, render_views, shaded_picture, sheet
from gof.rendering.render import render
from gof.run import machine
from gof.run.files import InputError, write_png
from gof.run.images import BadImage
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.rng import generator as randomness
from gof.run.target import placed

STARTS = 48  # heads among which the search begins with the nearest, seen in SMALL pixels
SMALL = 32
TURNS, NODS = (-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6), (-0.2, 0.0, 0.2)
DRAWN = 2000  # latents by which the spread of styles is told
ROUGHLY = 0.6  # share of the search that looks at an image of half the size
# Weight of the style's squared distance from the mean, in spreads: for what a generator knows, and
# for faces of people, at which it would tear its shapes to pieces.
PRIOR = {"images": 0.03, "faces": 1.0}
WIDE = 0.03  # half-width of the interval at the beginning: shapes move farther in a wide one
RATES = {"style": 0.08, "pose": 0.01, "weights": 1e-4}
BESIDE, HELD = (-0.6, -0.3, 0.3, 0.6), 4.0  # yaws seen besides the photograph's, their weight
FRAME = 0.05  # weight of pixels that are not of the face
SHOWN = (-0.5, -0.25, 0.0, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class Photograph:
    """What is to be shown: image [1, 3, r, r] in [-1, 1]; weight [r, r] of its pixels; a first
    pose [1, 2]."""

    image: Tensor
    weight: Tensor
    pose: Tensor

    def misses(self, seen: Tensor) -> Tensor:
        """Weighted squared error of images [n, 3, r, r], at three sizes, [n]."""
        total, scale = torch.zeros(len(seen), device=seen.device), 1
        while scale <= 4 and self.image.shape[-1] % scale == 0:
            mine, theirs, weight = (
                F.avg_pool2d(x, scale) for x in (seen, self.image, self.weight[None, None])
            )
            error = (mine - theirs).square().mean(1, keepdim=True)
            total = total + (error * weight).sum((1, 2, 3)) / weight.sum()
            scale *= 2
        return total

    def reduced(self, size: int) -> Photograph:
        """The same in a size that divides its own, where it is larger."""
        scale = max(1, self.image.shape[-1] // size)
        weight = F.avg_pool2d(self.weight[None, None], scale)[0, 0]
        return Photograph(F.avg_pool2d(self.image, scale), weight, self.pose)

    def psnr(self, seen: Tensor) -> float:
        """Of the pixels that count, dB."""
        counted = self.weight > 0.5
        error = (seen - self.image)[..., counted].square().mean() / 4
        return float(-10 * error.log10())


def read_photograph(path: Path, model: Pretrained, align: bool) -> Photograph:
    """The photograph in the size of the generator's images, the face of it brought to where those
    of rendered heads lie, or its middle. Raises InputError for no image, or none of one face."""
    size, (red, green, blue) = model.resolution, model.shown_background
    try:
        image = decode(path, (red, green, blue))
        if align:
            cut = aligned(load_detector, model.camera.fov_deg)(image, (size,))
        else:
            cut = crop_and_resize(image, (size,))
    except BadImage as error:
        raise InputError(f"{path}: {error}") from None
    pixels = torch.from_numpy(cut[f"image_{size}"].copy()).permute(2, 0, 1)[None]
    pose = torch.from_numpy(cut.get(ESTIMATED, np.zeros(2, np.float32)))[None]
    weight = _oval(size) if align else torch.ones(size, size)
    device = model.device
    shown = (pixels.float() / 127.5 - 1).to(device)
    return Photograph(shown, weight.to(device), pose.to(device))


def _oval(size: int) -> Tensor:
    """One where a face lies, FRAME beside it: what is behind a head is not the generator's."""
    centre, reach = PLACES.mean(0), np.array([0.5, 0.62])
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size * 2 - 1] * 2, indexing="ij")
    away = ((x - centre[0]) / reach[0]) ** 2 + ((-y - centre[1]) / reach[1]) ** 2
    return torch.where(away < 1, 1.0, FRAME)


@dataclass(frozen=True, slots=True)
class Inverted:
    """The generator, with the head that was found as its mean style; from where it is seen,
    [1, 2]; PSNR, dB, by the generator as it was and as it was tuned."""

    model: Pretrained
    pose: Tensor
    psnr: tuple[float, float]


def _look(model: Pretrained, field: Field, poses: Tensor, size: int, half_width: float) -> Tensor:
    """Images [n, 3, r, r], with a gradient where there is one."""
    rays = model.rays(poses, size)
    settings = replace(model.settings, half_width=half_width)
    return render(field, rays, settings).rgb.mT.unflatten(-1, (size, size))


def _progress(steps: int, label: str) -> Iterator[float]:
    """How far along each step is, from 0 to 1."""
    for k in tqdm(range(steps), desc=label, disable=None):
        yield k / max(1, steps - 1)


def _start(model: Pretrained, photograph: Photograph, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The style [1, style] and the pose [1, 2] from which the search begins: the nearest of some
    heads, from the nearest of the poses from which the mean head is, and again from those."""
    generator, small = model.generator, photograph.reduced(SMALL)
    some = generator.truncate(generator.style(model.heads(range(STARTS)).to(mean)), 0.7)
    styles = torch.cat([mean[None], some])
    turns = torch.tensor([[yaw, pitch] for yaw in TURNS for pitch in NODS]).to(mean)
    poses = torch.cat([photograph.pose, photograph.pose + turns])

    def nearest(styles: Tensor, poses: Tensor) -> int:
        misses = []
        for style, pose in zip(styles.split(1), poses.split(1), strict=True):
            field, half_width = generator.bind(style), model.settings.half_width
            seen = _look(model, field, pose, small.image.shape[-1], half_width)
            misses.append(float(small.misses(seen)))
        return int(np.argmin(misses))

    style, pose = styles[:1], photograph.pose
    for _ in range(2):
        which = nearest(style.expand(len(poses), -1), poses)
        pose = poses[which : which + 1]
        which = nearest(styles, pose.expand(len(styles), -1))
        style = styles[which : which + 1]
    return style, pose


def invert(
    model: Pretrained, photograph: Photograph, steps: int, tuning: int, prior: float
) -> Inverted:
    """Search for style and pose in so many steps, then tune the field in so many. prior: weight of
    the squared distance of the style from the mean, in spreads."""
    generator, size, final = model.generator, photograph.image.shape[-1], model.settings.half_width
    generator.requires_grad_(False)
    with torch.no_grad():
        draw = torch.randn(DRAWN, generator.latent, generator=randomness(0, "spread of styles"))
        spread = generator.style(draw.to(model.device)).std(0).clamp_min(1e-6)
        mean = generator.mean_style.clone()
        style, pose = _start(model, photograph, mean)
    away, pose = ((style - mean) / spread).requires_grad_(), pose.clone().requires_grad_()
    groups = [{"params": [away], "lr": RATES["style"]}, {"params": [pose], "lr": RATES["pose"]}]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    coarse = photograph.reduced(max(SMALL, size // 2))
    for progress in _progress(steps, "style and pose"):
        half_width = max(final, WIDE * (final / WIDE) ** min(1.0, 1.5 * progress))
        _scale(optimizer, (1 + math.cos(math.pi * progress)) / 2)
        shown = coarse if progress < ROUGHLY else photograph
        field = generator.bind(mean + spread * away)
        seen = _look(model, field, pose, shown.image.shape[-1], half_width)
        _descend(optimizer, shown.misses(seen).sum() + prior * away.square().mean())
    style = (mean + spread * away).detach()
    pose = pose.detach()

    def look(own: Pretrained) -> Tensor:
        with torch.no_grad():
            return _look(own, own.generator.bind(style), pose, size, final)

    before = photograph.psnr(look(model))
    tuned = replace(model, generator=copy.deepcopy(generator))
    _tune(tuned, photograph, style, pose, tuning)
    after = photograph.psnr(look(tuned))
    if after < before:  # what is held from beside can cost more than tuning gains
        tuned, after = replace(model, generator=copy.deepcopy(generator)), before
    tuned.generator.mean_style.copy_(style[0])
    return Inverted(tuned, pose, (before, after))


def _tune(
    model: Pretrained, photograph: Photograph, style: Tensor, pose: Tensor, steps: int
) -> None:
    """Tune the field to the photograph, views from beside held to what they were."""
    size, final = photograph.image.shape[-1], model.settings.half_width
    few = max(8, size // 2)
    beside = pose + torch.tensor([[yaw, 0.0] for yaw in BESIDE], device=model.device)
    with torch.no_grad():
        styles = style.expand(len(beside), -1)
        held = _look(model, model.generator.bind(styles), beside, few, final)
    learnt = [p.requires_grad_() for p in model.generator.field.parameters()]
    optimizer = torch.optim.Adam([{"params": learnt, "lr": RATES["weights"]}], betas=(0.9, 0.99))
    for number, progress in enumerate(_progress(steps, "tuning")):
        _scale(optimizer, (1 + math.cos(math.pi * progress)) / 2)
        k = number % len(beside)
        field = model.generator.bind(style)
        misses = photograph.misses(_look(model, field, pose, size, final)).sum()
        kept = (_look(model, field, beside[k : k + 1], few, final) - held[k]).square().mean()
        _descend(optimizer, misses + HELD * kept)
    model.generator.requires_grad_(False)


def _scale(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("full", group["lr"]) * factor


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def picture(found: Inverted, photograph: Photograph) -> np.ndarray:
    """The photograph, the head from its pose and from sides; below it their shapes."""
    size, count = photograph.image.shape[-1], len(SHOWN) + 1
    turned = torch.tensor([[0.0, 0.0], *([yaw, 0.0] for yaw in SHOWN)])
    turned[0] = found.pose[0].cpu()
    latents = torch.zeros(count, found.model.generator.latent)
    request = ViewRequest(latents, turned, size, 0.0, "views", normals=True)
    seen = render_views(found.model, request)
    first = torch.cat([photograph.image.cpu(), seen.rgb])
    blank = torch.ones_like(first[:1])
    return sheet([first, torch.cat([blank, shaded_picture(seen.normal, seen.hit)])])


def run_invert(config: Config, wanted: InvertJob) -> None:
    """Write generator.yaml, whose mean head (psi 0) is the one that was found, a picture of it and
    a record. Raises InputError for a photograph or a generator that cannot be read."""
    if min(wanted.steps, wanted.tuning, wanted.prior or 0) < 0:
        raise InputError("--steps, --tuning, --prior: 0 or more")
    out = placed(wanted.out, "inversion.json")
    files = (out.with_name("generator.yaml"), out.with_name("inversion.png"))
    inputs = {"image": wanted.image, "generator": wanted.generator}
    weights = out.with_name("generator.safetensors")
    with job(
        out, "invert", config.scoped(config.only()), inputs, Writes((*files, weights))
    ) as running:
        model = generators.load(wanted.generator, machine.device())
        photograph = read_photograph(wanted.image, model, wanted.align == "faces")
        usual = PRIOR[wanted.align or "images"]
        prior = usual if wanted.prior is None else wanted.prior
        found = invert(model, photograph, wanted.steps, wanted.tuning, prior)
        write_png(files[1], picture(found, photograph))
        generators.save(files[0], found.model.generator.cpu(), dict(model.info))
        running.artifact(files[1])
        yaw, pitch = (round(float(value), 4) for value in found.pose[0])
        psnr = {"psnr_style": found.psnr[0], "psnr_tuned": found.psnr[1]}
        running.numbers = {"yaw": yaw, "pitch": pitch, **psnr}
