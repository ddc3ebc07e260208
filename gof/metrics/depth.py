"""Depth: that of real renders by a network that has seen only a generator's images and depths.

The protocol of GOF's table on BFM: a generator with good shapes teaches good depth (method-gof
3.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from gof.config.section import Count, Positive, Resolution
from gof.metrics.registry import Metric
from gof.metrics.section import MetricSection, known
from gof.run.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from gof.data.reader import Reader
    from gof.metrics.context import Context
    from gof.metrics.networks.depth_network import DepthUNet, Pairs

BLOCK = 100  # test images that are looked at together


class DepthNet(MetricSection):
    """SIDE and MAD through a depth network trained on a generator's (image, depth) pairs
    (method-gof 3.5)."""

    pairs: Count = 1000
    steps: Count = 1000
    batch: Annotated[int, Field(ge=2)] = 8
    lr: Positive = 6e-3
    width: Count = Field(16, description="channels of the first layer")
    score_resolution: Resolution | None = Field(
        None,
        description="size of the true depth maps its depth is compared with, enlarged; null: the"
        " smallest stored size that is a multiple of the views'",
    )

    @property
    def images(self) -> int:
        """How many views of an evaluation seed the metric looks at."""
        return self.pairs

    @property
    def score_pixels(self) -> int:
        """The size of the true depth maps. Raises ConfigError where it was left open."""
        return known(self.score_resolution, type(self).__name__, "score_resolution")

    def at(self, size: int | None, stored: Sequence[int] = ()) -> Self:
        """With score_resolution set for views of this size. Raises ValueError where none fits."""
        if size is None:
            return self
        if self.score_resolution is None and stored:
            fitting = [own for own in stored if own % size == 0]
            if not fitting:
                sizes = ", ".join(map(str, stored))
                raise ValueError(
                    f"no stored size ({sizes}) is a multiple of views.resolution ({size})"
                )
            return self.model_copy(update={"score_resolution": min(fitting)})
        if self.score_resolution is not None and self.score_resolution % size:
            raise ValueError(
                f"depth.score_resolution ({self.score_resolution}) must be a multiple of"
                f" views.resolution ({size})"
            )
        if stored and self.score_resolution not in stored:
            sizes = ", ".join(map(str, stored))
            raise ValueError(
                f"depth.score_resolution ({self.score_resolution}) is no size that the data set"
                f" stores ({sizes})"
            )
        return self


Found = dict[str, list[tuple[float, float]]]  # row: (SIDE, MAD) for each evaluation seed


def measure(context: Context, settings: DepthNet) -> dict[str, Any]:
    """SIDE and MAD on test renders of a network taught by the generator, or by the references."""
    from gof.data.reader import Reader
    from gof.metrics.context import row
    from gof.metrics.scores.depth_errors import mean_depth

    size, test = settings.score_pixels, Reader(context.manifest, context.split)
    errors, counts = _taught(context, settings, test)
    if context.reference:
        train = Reader(context.manifest, "train")
        flat = mean_depth(train.depth(size, some) for some in train.blocks())
        errors["mean_depth"] = [_errors(test, size, lambda some: flat.expand(len(some), -1, -1))]
    rows = []
    for name, found in errors.items():
        sides, mads = (list(column) for column in zip(*found, strict=True))
        protocol = _protocol(context, settings, name, counts.get(name, 0))
        rows.append(row(name, "side_x100", sides, len(test), protocol))
        rows.append(row(name, "mad_deg", mads, len(test), protocol))
    why = "no pixel of its images is covered"
    missing = [
        {"model": name, "metric": metric, "why": why}
        for name in counts.keys() - errors.keys()
        for metric in ("side_x100", "mad_deg")
    ]
    return {"rows": rows, "missing": missing}


def _errors(test: Reader, size: int, depth: Callable[[range], Tensor]) -> tuple[float, float]:
    """SIDE and MAD of what `depth` finds for test images of these numbers, [n, size, size]."""
    from gof.metrics.scores.depth_errors import depth_errors

    blocks = ((depth(some), *test.depth(size, some)) for some in test.blocks(BLOCK))
    return depth_errors(blocks, test.manifest.camera.fov_deg)


def _taught(context: Context, settings: DepthNet, test: Reader) -> tuple[Found, dict[str, int]]:
    """Errors of a network taught by each set of pairs, and how many pairs there were."""
    from gof.metrics.networks.depth_network import predict, train_depth_net
    from gof.run.files import say

    size = settings.score_pixels
    camera, device = context.manifest.camera, context.device
    errors: Found = {}
    counts: dict[str, int] = {}
    for seed in context.seeds:
        for name, pairs in _pair_sets(context, settings, seed):
            counts[name] = len(pairs.images)
            if not bool(pairs.mask.any()):
                say(f"warning: {name}: no pixel of its images is covered: no SIDE, no MAD")
                continue
            network = train_depth_net(pairs.to(device), settings, camera, seed)

            def guess(some: range, network: DepthUNet = network) -> Tensor:
                images = test.images(context.view_size, some).to(device)
                return predict(network, images.float() / 127.5 - 1, size).cpu()

            errors.setdefault(name, []).append(_errors(test, size, guess))
    return errors, counts


def _pair_sets(context: Context, settings: DepthNet, seed: int) -> Iterator[tuple[str, Pairs]]:
    """Training pairs of the depth network, by row name."""
    from gof.data.reader import Reader
    from gof.metrics.context import split_of
    from gof.metrics.networks.depth_network import Pairs, shrink_pairs

    def pairs(reader: Reader, size: int, numbers: Sequence[int]) -> Pairs:
        images = reader.images(size, numbers).float() / 127.5 - 1
        return Pairs(images, *reader.depth(size, numbers))

    small, seen = context.view_size, Reader(context.seen, split_of(seed))
    yield context.name, pairs(seen, small, range(min(settings.pairs, len(seen))))
    if context.reference:
        size, train = settings.score_pixels, Reader(context.manifest, "train")
        rows = context.subset(seed, "training pairs", len(train), settings.pairs)
        yield "real", shrink_pairs(pairs(train, size, rows.tolist()), size // small)


def _protocol(context: Context, s: DepthNet, name: str, pairs: int) -> str:
    scored = f"{context.split} renders, {s.score_pixels} px, true foreground less one pixel"
    if name == "mean_depth":
        return f"mean depth of the training images; {scored}"
    kind = "training renders" if name == "real" else context.generated
    return f"depth network on {pairs} {kind} of {context.view_size} px, {s.steps} steps; {scored}"


METRIC = Metric(
    name="depth",
    section=DepthNet,
    table="comparison",
    columns=(
        Column("side_x100", "SIDE ×100", rank=30),
        Column("mad_deg", "MAD (deg)", rank=31),
    ),
    measure=measure,
    subject="views",
    needs=("images", "depth"),
)
