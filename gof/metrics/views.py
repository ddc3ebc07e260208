"""Images and depth of a generator from the pose prior, rendered once for all metrics that look at
them: a data set (`gof.data.manifest`) with a split for each evaluation seed."""

from __future__ import annotations

from pathlib import Path

import torch

from gof.data.manifest import Manifest, Split, encode_depth, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.data.workers import pieces
from gof.experiment import scopes
from gof.experiment.config import Config
from gof.metrics.context import poses, split_of, untrained
from gof.metrics.jobs import ViewsJob
from gof.metrics.section import RenderedViews, sized
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.pictures.views import ViewRequest, render_views, to_uint8
from gof.run import machine
from gof.run.files import InputError, sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed

SHARD = 1000  # views in a file


def run_views(config: Config, wanted: ViewsJob) -> None:
    """Render the views of every evaluation seed into the folder of `wanted.out`, their manifest,
    which is written last. Depth is the mean along a ray where more than half of it is opaque."""
    if wanted.reference == (wanted.generator is not None):
        raise InputError("gof views: give either --generator FILE or --reference")
    out = placed(wanted.out, "manifest.json")
    others = ("models",) if wanted.reference else ()
    config = config.scoped(scopes.of_measurement(config, "views", *others))
    record, writes = out.with_name("views.json"), Writes((out,), fills=True)
    with job(record, "views", config, wanted.inputs(), writes) as running:
        model, size = _subject(config, wanted)
        name = "untrained" if wanted.generator is None else str(model.info["model"])
        s = sized("views", config.metrics.views, size)
        red, green, blue = model.shown_background
        splits = {
            split_of(seed): _render(model, s, (seed, name), out.parent)
            for seed in config.metrics.seeds
        }
        source = {} if wanted.generator is None else {"generator": sha256(wanted.generator)}
        manifest = Manifest(
            out,
            name,
            model.camera,
            (red, green, blue),
            (s.pixels,),
            splits,
            {**source, "truncation": s.truncation},
        )
        write_manifest(manifest)
        running.numbers = {split: found.count for split, found in splits.items()}


def _subject(config: Config, wanted: ViewsJob) -> tuple[Pretrained, int | None]:
    """Whose views, and the size that theirs follows where it is left open."""
    device = machine.device()
    if wanted.generator is not None:
        model = generators.load(wanted.generator, device)
        return model, model.resolution
    if wanted.data is None:
        raise InputError("--data: needed with --reference: the views have its camera")
    seen = load_manifest(wanted.data)
    place = seen.camera, seen.background
    model = untrained(config, place, wanted.untrained, device)
    return model, config.largest() if wanted.untrained is None else model.resolution


def _render(model: Pretrained, s: RenderedViews, what: tuple[int, str], folder: Path) -> Split:
    """The views of one evaluation seed. what: that seed, and the model's name."""
    seed, name = what
    latents, seen_from = model.latents(seed, s.count), poses(model.camera, seed, s.count)
    own, shards = pieces({split_of(seed): s.count}, SHARD, folder), []
    for number, piece in enumerate(own, 1):
        label = f"{name}, evaluation seed {seed}, {number} of {len(own)}"
        z, some = latents[piece.start : piece.stop], seen_from[piece.start : piece.stop]
        seen = render_views(model, ViewRequest(z, some, s.pixels, s.truncation, label))
        depth = torch.where(seen.alpha > 0.5, seen.depth, 0.0)
        arrays = {
            f"image_{s.pixels}": to_uint8(seen.rgb),
            f"depth_{s.pixels}": encode_depth(depth, model.camera).numpy(),
            "pose": some.numpy(),
        }
        shards.append(write_shard(piece.path, arrays))
    return Split(s.count, tuple(shards))
