"""Images and depth of a generator from the pose prior, rendered once for all metrics that look at
them: a data set (`gof.data.manifest`) with a split for each evaluation seed."""

from __future__ import annotations

from pathlib import Path

import torch

from gof.data.manifest import Manifest, Split, encode_depth, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.experiment.config import Config
from gof.metrics.context import poses, split_of, untrained
from gof.metrics.jobs import ViewsJob
from gof.metrics.section import RenderedViews, sized
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.pictures.views import ViewRequest, to_uint8, views
from gof.run.files import InputError, sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed


def run_views(config: Config, wanted: ViewsJob) -> None:
    """Render the views of every evaluation seed into the folder of `wanted.out`, their manifest,
    which is written last. Depth is the mean along a ray where more than half of it is opaque."""
    if wanted.reference == (wanted.generator is not None):
        raise InputError("gof views: give either --generator FILE or --reference")
    out = placed(wanted.out, "manifest.json")
    record, writes = out.with_name("views.json"), Writes((out,), fills=True)
    with job(record, "views", config, wanted.inputs(), writes) as running:
        model, size = _subject(config, wanted)
        name = "untrained" if wanted.generator is None else str(model.info["model"])
        s = sized("views", config.metrics.views, size)
        red, green, blue = ((value + 1) / 2 for value in model.settings.background)
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
    device = "cuda" if torch.cuda.is_available() else "cpu"
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
    """The views of one evaluation seed, as the split's one shard. what: that seed, and the model's
    name."""
    seed, name = what
    label = f"{name}, evaluation seed {seed}"
    latents, seen_from = model.latents(seed, s.count), poses(model.camera, seed, s.count)
    seen = views(model, ViewRequest(latents, seen_from, s.pixels, s.truncation, label))
    depth = torch.where(seen.alpha > 0.5, seen.depth, 0.0)
    arrays = {
        f"image_{s.pixels}": to_uint8(seen.rgb),
        f"depth_{s.pixels}": encode_depth(depth, model.camera).numpy(),
        "pose": seen_from.numpy(),
    }
    return Split(s.count, (write_shard(folder / f"{split_of(seed)}-000", arrays),))
