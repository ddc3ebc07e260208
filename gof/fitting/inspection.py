"""`gof check-data`: what a data set holds, from where its images are seen, and which camera fits
that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gof.data.manifest import ESTIMATED, Manifest, load_manifest
from gof.data.reader import load_split
from gof.fitting.fit import load_fits
from gof.fitting.jobs import CheckDataJob
from gof.geometry.pose_law import fitted_law
from gof.geometry.settings import Camera
from gof.run.files import InputError

BINS, WIDTH = 12, 40  # of a histogram, and columns of its longest bar
FEW = 500  # training images below which a model learns them by heart
APART = 0.25  # share by which a spread may differ from the configured one unnoticed


def run_check_data(wanted: CheckDataJob) -> None:
    """Print what a data set is. Raises InputError where it cannot be read."""
    manifest = load_manifest(wanted.data)
    for line in told(manifest, poses_of(manifest, wanted.fits)):
        print(line)


def poses_of(manifest: Manifest, fits: Path | None) -> Tensor | None:
    """Yaw and pitch [n, 2] of the training images: as fitted, else as stored, else as estimated
    from landmarks; None where nobody knows them. Raises InputError for fits of another set."""
    if fits is not None:
        found = load_fits(fits, "train")
        if len(found.ok) != manifest.split("train").count:
            raise InputError(f"{fits}: {len(found.ok)} fits: not of {manifest.path}")
        if not found.ok.any():
            raise InputError(f"{fits}: no training image was fitted")
        return found.pose[found.ok]
    stored = "pose" if "poses" in manifest.offers else ESTIMATED
    if stored == ESTIMATED and not manifest.provenance.get(ESTIMATED):
        return None
    return torch.from_numpy(load_split(manifest, "train", [stored])[stored])


def told(manifest: Manifest, poses: Tensor | None) -> Iterator[str]:
    """The lines to print."""
    counts = ", ".join(f"{split.count:,} {name}" for name, split in manifest.splits.items())
    sizes = ", ".join(map(str, manifest.resolutions))
    yield f"{manifest.name}: {counts}; {sizes} px; offers {', '.join(manifest.offers)}"
    if skipped := manifest.provenance.get("skipped"):
        yield f"left out: {len(skipped)}, for the reasons in left_out.csv beside the manifest"
    if (count := manifest.split("train").count) < FEW:
        yield f"few images: {count}; below {FEW} a discriminator learns them by heart"
    yield f"camera: {_described(manifest.camera)}"
    if poses is None:
        yield "poses: not known; for faces: gof landmarks, gof fits, then --fits FITS.JSON"
        return
    for name, values in zip(("yaw", "pitch"), poses.unbind(-1), strict=True):
        yield f"{name}, degrees:"
        yield from _histogram(values.rad2deg())
    own = fitted_law(manifest.camera, poses)
    yield f"camera that fits these poses: {_described(own)}"
    yield from _misfits(manifest.camera, own)


def _misfits(camera: Camera, own: Camera) -> Iterator[str]:
    if camera.law != own.law and "sphere" in (camera.law, own.law):
        yield f"MISFIT: the set says {camera.law}; set camera as above"
    elif own.law == "gaussian" and camera.law == "gaussian":
        for name in ("yaw", "pitch"):
            given, found = getattr(camera, name), getattr(own, name)
            off = getattr(own, f"{name}_mean") - getattr(camera, f"{name}_mean")
            if abs(given - found) > APART * max(given, found) or abs(off) > max(found, 0.02) / 2:
                yield (
                    f"MISFIT: {name} is {given:g} about {getattr(camera, f'{name}_mean'):g} in the"
                    f" set, {found:g} about {getattr(own, f'{name}_mean'):g} in its images: fakes"
                    " are told apart by where they are seen from, and shapes bend"
                )


def _described(camera: Camera) -> str:
    if camera.law == "sphere":
        low, high = camera.elevation
        law = f"law: sphere, elevation: [{low:.3g}, {high:.3g}]"
    else:
        law = f"law: {camera.law}, yaw: {camera.yaw:g}, pitch: {camera.pitch:g}"
        law += f", yaw_mean: {camera.yaw_mean:g}, pitch_mean: {camera.pitch_mean:g}"
    return f"{{fov_deg: {camera.fov_deg:g}, near: {camera.near:g}, far: {camera.far:g}, {law}}}"


def _histogram(values: Tensor) -> Iterator[str]:
    low, high = float(values.min()), float(values.max())
    step = max((high - low) / BINS, 1e-6)
    counts = torch.histc(values.float(), BINS, low, low + BINS * step)
    for k, count in enumerate(counts.tolist()):
        bar = "#" * math.ceil(WIDTH * count / float(counts.max()))
        yield f"{low + k * step:8.1f} to {low + (k + 1) * step:6.1f} {int(count):7d} {bar}"
