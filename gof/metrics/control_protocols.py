"""The protocols of control: who is asked for, what is compared, and the rows of the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gof.data.reader import load_images
from gof.geometry.cameras import camera_rays
from gof.losses.conditional import lift
from gof.metrics.context import Row, row
from gof.metrics.control import (
    MOVING,
    chamfer,
    correlation,
    disentanglement_score,
    filled,
    median,
    spread,
    transfer_error,
)
from gof.metrics.control_context import BLOCKS_OF, ControlBench, seen_of
from gof.metrics.depth import erode
from gof.metrics.portraits import Portraits, Sitting, Source, draw
from gof.morphable.landmarks import FIRST_INNER, nme_percent
from gof.readers.interface import Reading
from gof.run.files import say
from gof.run.rng import generator

Found = dict[tuple[str, str], list[float]]  # (source, metric): a value for each evaluation seed


def _rows(
    found: Found, count: int, protocols: dict[str, str], sources: Sequence[Source]
) -> list[Row]:
    psi = {source.name: source.psi for source in sources}
    rows = []
    for (name, metric), values in found.items():
        cut = f", psi {psi[name]:g}" if psi[name] != 1 else ""
        rows.append(row(name, metric, values, count, protocols[metric] + cut))
    return rows


# --- Disentanglement ------------------------------------------------------------------------------


def measure_disentanglement(bench: ControlBench) -> dict[str, Any]:
    """Disentanglement Score of shape, expression, pose and light; the spreads it is made of."""
    s = bench.metrics.disentanglement
    real = bench.read(load_images(bench.manifest, "test", s.resolution).float() / 127.5 - 1)
    found: Found = {}
    spreads: dict[str, dict[str, dict[str, float]]] = {}
    share = 1 / len(bench.metrics.seeds)
    for seed in bench.metrics.seeds:
        unit = _real_spreads(bench, real, seed)
        for source in bench.sources:
            for factor in BLOCKS_OF:
                own = _factor_spreads(bench, source, seed, factor)
                own = {key: value / unit[key] for key, value in own.items()}
                mean = spreads.setdefault(source.name, {}).setdefault(
                    factor, dict.fromkeys(own, 0.0)
                )
                for key, value in own.items():
                    mean[key] += share * value
                score = disentanglement_score(own, factor)
                found.setdefault((source.name, f"ds_{factor}"), []).append(score)
    count = s.subjects * s.variations
    how = (
        f"{s.subjects} subjects x {s.variations} images, {s.resolution} px, only"
        " {} drawn anew; judge's readings, spreads over those of test renders"
    )
    protocols = {f"ds_{factor}": how.format(factor) for factor in BLOCKS_OF}
    return {"rows": _rows(found, count, protocols, bench.sources), "spreads": spreads}


def _real_spreads(bench: ControlBench, real: Reading, seed: int) -> dict[str, float]:
    """Spread of every factor over as many test images as a subject has variations, mean over as
    many draws as there are subjects."""
    s = bench.metrics.disentanglement
    draws = generator(seed, "control, test images")
    groups = [
        torch.randperm(len(real.z), generator=draws)[: s.variations] for _ in range(s.subjects)
    ]
    rows = torch.stack(groups)
    return {key: float(spread(seen_of(real, key, bench.meshes)[rows]).mean()) for key in BLOCKS_OF}


def _factor_spreads(
    bench: ControlBench, source: Source, seed: int, factor: str
) -> dict[str, float]:
    """Spread of every factor over the images of a subject in which `factor` alone is drawn anew,
    mean over subjects."""
    s, layout = bench.metrics.disentanglement, bench.meshes.layout
    count = s.subjects * s.variations
    latents = draw(layout, seed, "subjects", range(s.subjects))
    latents = latents.repeat_interleave(s.variations, 0)
    poses = bench.poses(seed, "poses of subjects", s.subjects)
    poses = poses.repeat_interleave(s.variations, 0)
    anew = draw(layout, seed, f"variations of {factor}", range(count))
    for block in BLOCKS_OF[factor]:
        latents[:, layout.place(block)] = anew[:, layout.place(block)]
    if factor == "pose":
        poses = bench.poses(seed, "variations of pose", count)
    sitting = Sitting(latents, poses, s.resolution, seed, f"varied {factor}")
    read = bench.read(source.portraits(sitting).rgb)
    shape = (s.subjects, s.variations, -1)
    return {
        key: float(spread(seen_of(read, key, bench.meshes).reshape(shape)).mean())
        for key in BLOCKS_OF
    }


# --- Shape ----------------------------------------------------------------------------------------


def measure_shape(bench: ControlBench) -> dict[str, Any]:
    """Chamfer distance of faces to the mesh that was asked for, and to another's."""
    s = bench.metrics.shape
    found: Found = {}
    left_out = 0
    for seed in bench.metrics.seeds:
        for source in bench.sources:
            values, missing = _shape_of(bench, source, seed)
            left_out += missing
            for metric, value in values.items():
                found.setdefault((source.name, metric), []).append(value)
    base = (
        f"{s.heads} frontal heads, pixels of the mesh's face less one all round, {s.resolution} px"
    )
    how = f"{base}; symmetric, root mean square, head radii"
    protocols = {
        "chamfer": f"{how}; own mesh",
        "chamfer_cross": f"{how}; mesh and pixels of another head",
        "face_hit_share": f"{base}; share of them where the field has a surface",
    }
    rows = _rows(found, s.heads, protocols, bench.sources)
    return {"rows": rows, "pairs_without_surface": left_out}


def _shape_of(bench: ControlBench, source: Source, seed: int) -> tuple[dict[str, float], int]:
    """Means over heads, and how many comparisons there was no surface or face for."""
    s, meshes = bench.metrics.shape, bench.meshes
    latents = draw(meshes.layout, seed, "shapes", range(s.heads))
    poses = torch.zeros(s.heads, 2)
    seen = meshes.raster(source.psi * latents, poses, s.resolution)
    asked, face = seen.depth, erode(meshes.face(seen))
    sitting = Sitting(latents, poses, s.resolution, seed, "shapes")
    t, hit = source.surfaces(sitting, s.coarse)
    rays = camera_rays(poses[:1], s.resolution, bench.manifest.camera.fov_deg)

    def points(depth: Tensor, mask: Tensor) -> Tensor:
        return rays.at(depth.reshape(1, -1, 1))[0, mask.flatten(), 0]

    distances: dict[str, list[float]] = {"chamfer": [], "chamfer_cross": []}
    missing = 0
    for metric, shift in (("chamfer", 0), ("chamfer_cross", 1)):
        for own in range(s.heads):
            other = (own + shift) % s.heads
            target = points(asked[other], face[other])
            generated = points(t[own], face[other] & hit[own])
            if min(len(target), len(generated)) == 0:
                missing += 1
            else:
                distances[metric].append(chamfer(generated, target))
    values = {name: sum(some) / len(some) for name, some in distances.items() if some}
    if missing:
        say(f"warning: {source.name}: {missing} comparisons left out: no surface on the face")
    share = float((face & hit).sum() / face.sum().clamp_min(1))
    return values | {"face_hit_share": share}, missing


# --- Landmarks ------------------------------------------------------------------------------------


def measure_landmarks(bench: ControlBench) -> dict[str, Any]:
    """Distance of landmarks from those of the meshes, and whether they move as the meshes' do."""
    s = bench.metrics.landmarks
    found: Found = {}
    for seed in bench.metrics.seeds:
        for source in bench.sources:
            for metric, value in _landmarks_of(bench, source, seed).items():
                found.setdefault((source.name, metric), []).append(value)
    base = f"judge's landmarks, {s.pairs} pairs of frontal heads, {s.resolution} px"
    lifted = f"{base}; 51 lifted by the image's depth, cosine of differences in the world"
    protocols = {
        "landmark_distance": f"{base}; % of the outer eye corners' distance",
        "landmark_correlation": lifted,
        "landmark_correlation_cross": f"{lifted}, against the difference of another pair",
        "expression_transfer": f"{base}; the second with the first's expression: error of the"
        " movement of brows, eyes and mouth over that of the mesh",
    }
    return {"rows": _rows(found, s.pairs, protocols, bench.sources)}


def _landmarks_of(bench: ControlBench, source: Source, seed: int) -> dict[str, float]:
    s, meshes = bench.metrics.landmarks, bench.meshes
    first = draw(meshes.layout, seed, "first heads", range(s.pairs))
    second = draw(meshes.layout, seed, "second heads", range(s.pairs))
    moved = second.clone()
    place = meshes.layout.place("expression")
    moved[:, place] = first[:, place]
    latents = torch.cat([first, second, moved])
    poses = torch.zeros(len(latents), 2)
    sitting = Sitting(latents, poses, s.resolution, seed, "landmarks")
    seen = source.portraits(sitting)
    read = bench.read(seen.rgb).landmarks
    wanted, wanted_3d = meshes.landmarks(source.psi * latents, poses)
    world = _lifted(read, seen, poses, bench.manifest.camera.fov_deg)
    a, b, _ = world.chunk(3)
    mesh_a, mesh_b, _ = wanted_3d[:, FIRST_INNER:].chunk(3)
    step = mesh_a - mesh_b
    _, plain, changed = read[:, list(MOVING)].chunk(3)
    _, plain_mesh, changed_mesh = wanted[:, list(MOVING)].chunk(3)
    return {
        "landmark_distance": float(nme_percent(read, wanted).mean()),
        "landmark_correlation": float(correlation(a - b, step).mean()),
        "landmark_correlation_cross": float(correlation(a - b, step.roll(1, 0)).mean()),
        "expression_transfer": transfer_error(changed - plain, changed_mesh - plain_mesh),
    }


def _lifted(read: Tensor, seen: Portraits, poses: Tensor, fov_deg: float) -> Tensor:
    """Inner landmarks [n, 51, 3] in the world. One read just beside the head gets the depth of the
    head's nearest pixel; the median over neighbours keeps the lips out of an open mouth."""
    depth = median(filled(seen.depth, seen.mask))
    return lift(read[:, FIRST_INNER:], depth, (poses, fov_deg))


MEASURES_OF_CONTROL: dict[str, Callable[[ControlBench], dict[str, Any]]] = {
    "disentanglement": measure_disentanglement,
    "shape": measure_shape,
    "landmarks": measure_landmarks,
}
