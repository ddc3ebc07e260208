"""Images and depth of a generator from the pose prior, rendered once for all metrics that look at
them: a data set (`gof.data.manifest`) with a split for each evaluation seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from gof.data.manifest import Manifest, Split, encode_depth, write_manifest, write_shard
from gof.experiment.config import Config
from gof.metrics.context import poses, untrained
from gof.metrics.jobs import RenderViewsJob
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.pictures.views import ViewRequest, to_uint8, views
from gof.run.files import InputError, sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed


@dataclass(frozen=True, slots=True)
class ViewsJob:
    """Whose views: a generator's, or with None those of one before training (`untrained`: a
    generator file to start afresh from, else the configured network, camera and background)."""

    out: Path
    generator: Path | None = None
    untrained: Path | None = None

    def inputs(self) -> dict[str, Path]:
        """Files the result depends on."""
        files = {"generator": self.generator, "untrained": self.untrained}
        return {name: path for name, path in files.items() if path is not None}


def split_of(seed: int) -> str:
    """The split that holds the views of an evaluation seed."""
    return f"seed{seed}"


def render_views(config: Config, wanted: RenderViewsJob) -> None:
    """`gof views`: of a generator or an untrained one, as `run_views`."""
    if wanted.reference == (wanted.generator is not None):
        raise InputError("gof views: give either --generator FILE or --reference")
    out = placed(wanted.out, "manifest.json")
    run_views(config, ViewsJob(out, wanted.generator, wanted.untrained))


def run_views(config: Config, wanted: ViewsJob) -> None:
    """Render the views of every evaluation seed into the folder of `wanted.out`, their manifest,
    which is written last. Depth is the mean along a ray where more than half of it is opaque."""
    record, writes = wanted.out.with_name("views.json"), Writes((wanted.out,), fills=True)
    with job(record, "views", config, wanted.inputs(), writes) as running:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if wanted.generator is not None:
            model = generators.load(wanted.generator, device)
            name, source = str(model.info["model"]), {"generator": sha256(wanted.generator)}
        else:
            place = config.camera, config.heads.background
            model = untrained(config, place, wanted.untrained, device)
            name, source = "untrained", {}
        red, green, blue = ((value + 1) / 2 for value in model.settings.background)
        s = config.metrics.views
        splits = {
            split_of(seed): _render(model, config, seed, wanted.out.parent, name)
            for seed in config.metrics.seeds
        }
        manifest = Manifest(
            wanted.out,
            name,
            model.camera,
            (red, green, blue),
            (s.resolution,),
            splits,
            {**source, "truncation": s.truncation},
        )
        write_manifest(manifest)
        running.numbers = {split: found.count for split, found in splits.items()}


def _render(model: Pretrained, config: Config, seed: int, folder: Path, name: str) -> Split:
    """The views of one evaluation seed, as the split's one shard."""
    s = config.metrics.views
    label = f"{name}, evaluation seed {seed}"
    latents, seen_from = model.latents(seed, s.count), poses(model.camera, seed, s.count)
    seen = views(model, ViewRequest(latents, seen_from, s.resolution, s.truncation, label))
    depth = torch.where(seen.alpha > 0.5, seen.depth, 0.0)
    arrays = {
        f"image_{s.resolution}": to_uint8(seen.rgb),
        f"depth_{s.resolution}": encode_depth(depth, model.camera).numpy(),
        "pose": seen_from.numpy(),
    }
    return Split(s.count, (write_shard(folder / f"{split_of(seed)}-000.npz", arrays),))
