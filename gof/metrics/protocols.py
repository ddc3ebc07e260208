"""The protocols of the metrics: which images, how many, against what, and what known answers
give."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gof.data.reader import Reader, load_depth, load_images
from gof.experiment.model import Model
from gof.geometry.cameras import camera_rays
from gof.metrics import depth as depths
from gof.metrics.context import Bench, poses, row
from gof.metrics.depth import Pairs
from gof.metrics.features import Extractor, efficientnet, inception, inception_file
from gof.metrics.frechet import blur, frechet_distance
from gof.metrics.surface import SurfaceTotals, outward, profile
from gof.metrics.views import split_of
from gof.models.pretrained import Pretrained
from gof.run.files import InputError, say

BLUR_SIGMA = 1.0  # pixels, of the reference `blurred`


# --- Frechet distance -----------------------------------------------------------------------------


def measure_frechet(bench: Bench) -> dict[str, Any]:
    """Distances of generated (or reference) images to training images, the same ones for all
    evaluation seeds, for every extractor at hand."""
    s, size = bench.metrics.frechet, _view_size(bench)
    train = Reader(bench.manifest, "train")
    others = [name for name, split in bench.manifest.splits.items() if split.shards]
    held_out = [Reader(bench.manifest, name) for name in others if name != "train"]
    sizes = [s.samples, len(train), *([sum(map(len, held_out))] if held_out else [])]
    n = min(*sizes, _view_count(bench))
    if n < s.samples:
        say(f"frechet: {n} instead of {s.samples} images, the data set or views have no more")
    distances: dict[tuple[str, str], list[float]] = {}
    extractors = _extractors(bench)
    drawn = bench.subset(bench.metrics.seeds[0], "train images", len(train), n)
    real = train.images(size, drawn.tolist())
    for extract in extractors:
        known = extract(real, label=f"{extract.name}, training images")
        for seed in bench.metrics.seeds:
            for name, images in _image_sets(bench, seed, n, held_out):
                found = extract(images, label=f"{extract.name}, {name}")
                key = (name, extract.metric)
                distances.setdefault(key, []).append(frechet_distance(found, known))
    about = {extract.metric: extract for extract in extractors}
    rows = [
        row(name, metric, values, n, _frechet_protocol(bench, about[metric], name, n))
        for (name, metric), values in distances.items()
    ]
    weights = {extract.metric: extract.sha256 for extract in extractors}
    return {"rows": rows, "weights_sha256": weights}


def _extractors(bench: Bench) -> list[Extractor]:
    if bench.features is None:
        raise InputError(
            "--features: needed for the metric frechet: `gof download --asset features`"
        )
    found = [efficientnet(bench.features, bench.metrics.frechet.resize, bench.device)]
    real_fid = inception(bench.device)
    if real_fid is None:
        say(f"fid: skipped, no Inception weights at {inception_file()}")
        return found
    return [*found, real_fid]


def _image_sets(
    bench: Bench, seed: int, n: int, held_out: list[Reader]
) -> Iterator[tuple[str, Tensor]]:
    """Images uint8 [n, 3, r, r] to compare with training images, by row name."""
    size = _view_size(bench)
    if bench.references and held_out:
        drawn = bench.subset(seed, "held-out images", sum(map(len, held_out)), n)
        real = _images_of(held_out, size, drawn)
        yield "real", real
        yield "blurred", blur(real, BLUR_SIGMA)
    assert bench.views is not None
    yield bench.name, Reader(bench.views, split_of(seed)).images(size, range(n))


def _images_of(readers: list[Reader], size: int, numbers: Tensor) -> Tensor:
    """Images of these numbers, counted through all readers."""
    found = torch.empty((len(numbers), 3, size, size), dtype=torch.uint8)
    start = 0
    for reader in readers:
        own = (numbers >= start) & (numbers < start + len(reader))
        found[own] = reader.images(size, (numbers[own] - start).tolist())
        start += len(reader)
    return found


def _view_size(bench: Bench) -> int:
    """Pixels a side of the views."""
    assert bench.views is not None
    return bench.views.resolutions[0]


def _view_count(bench: Bench) -> int:
    """How many views there are of every evaluation seed."""
    assert bench.views is not None
    return min(bench.views.split(split_of(seed)).count for seed in bench.metrics.seeds)


def _generated(bench: Bench) -> str:
    """What views are called in protocols."""
    assert bench.views is not None
    return f"generated images, psi {bench.views.provenance['truncation']:g}"


def _frechet_protocol(bench: Bench, extract: Extractor, name: str, n: int) -> str:
    kinds = {
        "real": f"{n} held-out images",
        "blurred": f"{n} held-out images blurred (Gaussian, sigma {BLUR_SIGMA:g} px)",
    }
    images = kinds.get(name, f"{n} {_generated(bench)}")
    return (
        f"{extract.name} ({extract.sha256[:8]}); {images} against {n} training images;"
        f" {_view_size(bench)} px, bilinear to {extract.size}"
    )


# --- Surface --------------------------------------------------------------------------------------


def measure_surface(bench: Bench) -> dict[str, Any]:
    """Sigma with and without front clean-up, agreement of crossing and mean depth, share of
    outward-facing shapes."""
    assert bench.model is not None
    name, model, s = bench.name, bench.model, bench.metrics.surface
    totals = [_surface_totals(bench, model, seed) for seed in bench.metrics.seeds]
    settings, reach = model.settings, _reach(model)
    spacing = (settings.far - settings.near) / s.coarse
    base = f"{s.coarse} evenly spaced samples, {s.resolution} px, psi {s.truncation:g}"
    clean = f"free before the crossing less {_interval_max(model) / 2:g}"
    kinds: list[tuple[str, list[float | None], str]] = [
        ("sigma", [_mean(t.sigma) for t in totals], f"{base}; x 1e4, rays with weight > 0.99"),
        (
            "sigma_clean",
            [_mean(t.sigma_clean) for t in totals],
            f"{base}; x 1e4, rays with weight > 0.99, {clean}",
        ),
        (
            "surface_agreement",
            [t.agreeing / t.covered if t.covered else None for t in totals],
            f"{base}; first crossing within {spacing:.4f} of mean depth, rays with weight > 0.5",
        ),
        (
            "outward_fraction",
            [_mean(t.outward) for t in totals],
            f"{s.samples} frontal views of {s.resolution // 2} px, psi {s.truncation:g};"
            " depth grows away from the silhouette's centre",
        ),
    ]
    rows = []
    for metric, values, protocol in kinds:
        known = [value for value in values if value is not None]
        if known:
            rows.append(row(name, metric, known, s.samples, protocol))
        else:
            say(f"warning: {name}: no {metric}: no ray is opaque enough")
    histogram = torch.stack([t.histogram for t in totals]).sum(0)
    share = histogram / histogram.sum().clamp_min(1e-12)
    edges = torch.linspace(-reach, reach, len(share) + 1, dtype=torch.float64)
    offsets = (edges[1:] + edges[:-1]) / 2
    return {"rows": rows, "profile": {"offset": offsets.tolist(), "weight": share.tolist()}}


def _bins(bench: Bench) -> int:
    """Bins of the stored weight profile: about as wide as the samples' spacing, one in the
    middle."""
    return bench.metrics.surface.coarse | 1


def _surface_totals(bench: Bench, model: Pretrained, seed: int) -> SurfaceTotals:
    s, device = bench.metrics.surface, bench.device
    latents = model.latents(seed, s.samples).to(device)
    seen_from = poses(model.camera, seed, s.samples).to(device)
    half = s.resolution // 2  # tells a hollow face from one that bulges
    totals = SurfaceTotals.empty(_bins(bench))
    for z, pose in zip(latents.split(1), seen_from.split(1), strict=True):
        field = model.bind(z, s.truncation)

        def look(pose: Tensor, resolution: int, field: Any = field) -> Any:
            rays = camera_rays(pose, resolution, model.camera.fov_deg)
            return profile(field, rays, model.settings, s.coarse, _interval_max(model))

        front = look(torch.zeros_like(pose), half)
        seen = (x.unflatten(-1, (half, half)) for x in (front.surface_t, front.hit))
        totals.add(look(pose, s.resolution), outward(*seen).tolist(), _reach(model))
    return totals


def _interval_max(model: Pretrained) -> float:
    return Model.model_validate(model.info["trained_as"]).interval.max


def _reach(model: Pretrained) -> float:
    """Largest offset of the stored weight profile: half of the depth range."""
    return (model.settings.far - model.settings.near) / 2


def _mean(values: list[float] | list[bool]) -> float | None:
    return statistics.fmean(values) if values else None


# --- Depth ----------------------------------------------------------------------------------------


def measure_depth(bench: Bench) -> dict[str, Any]:
    """SIDE and MAD on test renders of a network taught by the generator, or by the references."""
    s = bench.metrics.depth
    size = s.score_resolution
    truth, foreground = load_depth(bench.manifest, "test", size)
    images = load_images(bench.manifest, "test", _view_size(bench)).float() / 127.5 - 1
    fov = bench.manifest.camera.fov_deg
    errors: dict[str, list[tuple[float, float]]] = {}
    counts: dict[str, int] = {}
    for seed in bench.metrics.seeds:
        for name, pairs in _pair_sets(bench, seed):
            if not bool(pairs.mask.any()):
                say(f"warning: {name}: no pixel of its images is covered: no SIDE, no MAD")
                continue
            counts[name] = len(pairs.images)
            network = depths.train_depth_net(pairs.to(bench.device), s, bench.manifest.camera, seed)
            guess = depths.predict(network, images.to(bench.device), size).cpu()
            found = depths.depth_errors(guess, truth, foreground, fov)
            errors.setdefault(name, []).append(found)
    if bench.references:
        train = Reader(bench.manifest, "train")
        flat = depths.mean_depth(train.depth(size, numbers) for numbers in train.blocks())
        flat = flat.expand_as(truth)
        errors["mean_depth"] = [depths.depth_errors(flat, truth, foreground, fov)]
    rows = []
    for name, found_pairs in errors.items():
        sides, mads = (list(column) for column in zip(*found_pairs, strict=True))
        protocol = _depth_protocol(bench, name, counts.get(name, 0))
        rows.append(row(name, "side_x100", sides, len(truth), protocol))
        rows.append(row(name, "mad_deg", mads, len(truth), protocol))
    return {"rows": rows}


def _pair_sets(bench: Bench, seed: int) -> Iterator[tuple[str, Pairs]]:
    """Training pairs of the depth network, by row name."""
    s, small = bench.metrics.depth, _view_size(bench)
    assert bench.views is not None
    views = Reader(bench.views, split_of(seed))
    first = range(min(s.pairs, len(views)))
    seen = views.images(small, first)
    yield bench.name, Pairs(seen.float() / 127.5 - 1, *views.depth(small, first))
    if bench.references:
        size = s.score_resolution
        train = Reader(bench.manifest, "train")
        rows = bench.subset(seed, "training pairs", len(train), s.pairs).tolist()
        images = train.images(size, rows).float() / 127.5 - 1
        full = Pairs(images, *train.depth(size, rows))
        yield "real", depths.shrink_pairs(full, size // small)


def _depth_protocol(bench: Bench, name: str, pairs: int) -> str:
    s = bench.metrics.depth
    scored = f"test renders, {s.score_resolution} px, true foreground less one pixel"
    if name == "mean_depth":
        return f"mean depth of the training images; {scored}"
    kind = "training renders" if name == "real" else _generated(bench)
    return f"depth network on {pairs} {kind} of {_view_size(bench)} px, {s.steps} steps; {scored}"
