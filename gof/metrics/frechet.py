"""Frechet and kernel distances: how far generated images are from training images, by features of
networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from gof.config.section import Count
from gof.metrics.registry import Metric
from gof.metrics.section import MetricSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from gof.data.reader import Reader
    from gof.metrics.context import Context
    from gof.metrics.networks.extractor import Extractor, ImageSet

# Generated images and training images (None: all) by the name of a protocol.
PROTOCOLS: dict[str, tuple[int, int | None]] = {"paper": (2048, 8000), "50k": (50_000, None)}
BLUR = (1.0, 3)  # sigma and reach, pixels, of the reference `blurred`


class Frechet(MetricSection):
    """Frechet distance of image features."""

    protocol: Literal["equal", "paper", "50k"] = Field(
        "equal",
        description="how many images: equal: `samples` generated against as many of training;"
        " paper: 2,048 against 8,000; 50k: 50,000 against all of training",
    )
    samples: Annotated[int, Field(ge=2)] = Field(600, description="images of `equal`")
    resize: Count = Field(128, description="size the feature network sees")

    @property
    def images(self) -> int:
        """How many views of an evaluation seed the metric looks at."""
        return PROTOCOLS[self.protocol][0] if self.protocol in PROTOCOLS else self.samples

    def training(self, generated: int, stored: int) -> int:
        """How many training images, where there are `stored`, they are compared with."""
        wanted = PROTOCOLS[self.protocol][1] if self.protocol in PROTOCOLS else generated
        return stored if wanted is None else min(wanted, stored)


def measure(context: Context, settings: Frechet) -> dict[str, Any]:
    """Distances of generated (or reference) images to training images, the same ones for all
    evaluation seeds, for every extractor at hand; of Inception's features the kernel distance
    (KID) as well."""
    from gof.data.reader import Images, Reader
    from gof.metrics.context import row
    from gof.metrics.scores.frechet_distance import frechet_distance, kernel_distance
    from gof.run.files import say

    train = Reader(context.manifest, "train")
    n = min(settings.images, context.view_count)
    if settings.protocol == "equal":
        n = min(n, len(train))
    m = settings.training(n, len(train))
    if n < settings.images:
        say(f"frechet: {n} images against {m} of the training's: there are no more")
    chosen = context.subset(context.seeds[0], "train images", len(train), m)
    real = Images([train], context.view_size, chosen.tolist())
    held = _held_out(context)
    distances: dict[tuple[str, str], list[float]] = {}
    protocols: dict[tuple[str, str], tuple[int, str]] = {}
    extractors = _extractors(context, settings)
    for extract in extractors:
        known = extract(real, label=f"{extract.name}, training images")
        for seed in context.seeds:
            for name, images in _image_sets(context, seed, n, held):
                found = extract(images, label=f"{extract.name}, {name}")
                measured = {extract.metric: frechet_distance(found, known)}
                if extract.metric == "fid":
                    measured["kid"] = kernel_distance(found, known)
                for metric, value in measured.items():
                    distances.setdefault((name, metric), []).append(value)
                    shown = f"{len(images)} {_kind(context, name)}"
                    told = _protocol(context, extract, shown, m)
                    protocols[name, metric] = len(images), told
    rows = [row(*key, values, *protocols[key]) for key, values in distances.items()]
    weights = {extract.metric: extract.sha256 for extract in extractors}
    return {"rows": rows, "weights_sha256": weights}


def _extractors(context: Context, settings: Frechet) -> list[Extractor]:
    from gof.metrics.networks.efficientnet import efficientnet
    from gof.metrics.networks.inception import inception, inception_file
    from gof.run.files import say

    found = [efficientnet(context.files["features"], settings.resize, context.device)]
    real_fid = inception(context.device)
    if real_fid is None:
        say(
            f"fid, kid: skipped, no Inception weights at {inception_file()}: "
            "`gof download --asset inception` brings them"
        )
        return found
    return [*found, real_fid]


def _held_out(context: Context) -> list[Reader]:
    """The splits that are not for training; none where no reference is wanted."""
    from gof.data.reader import Reader

    if not context.reference:
        return []
    splits = context.manifest.splits
    others = [name for name, split in splits.items() if name != "train" and split.count]
    return [Reader(context.manifest, name) for name in others]


def _image_sets(
    context: Context, seed: int, n: int, held: list[Reader]
) -> Iterator[tuple[str, ImageSet]]:
    """Images to compare with training images, by row name; of those that are held out, as many as
    there are."""
    from gof.data.reader import Images, Reader
    from gof.metrics.context import split_of

    size, all_held = context.view_size, sum(map(len, held))
    if all_held > 1:  # a covariance needs two
        drawn = context.subset(seed, "held-out images", all_held, min(n, all_held))
        real = Images(held, size, drawn.tolist())
        yield "real", real
        yield "blurred", Blurred(real)
    seen = Reader(context.seen, split_of(seed))
    yield context.name, Images([seen], size, range(min(n, len(seen))))


@dataclass(frozen=True, slots=True)
class Blurred:
    """Images less sharp than those given."""

    images: ImageSet

    def __len__(self) -> int:
        return len(self.images)

    def split(self, size: int) -> Iterator[Tensor]:
        """Some at a time."""
        import torch

        from gof.geometry.images import blur

        for part in self.images.split(size):
            yield blur(part.float(), *BLUR).round().clamp(0, 255).to(torch.uint8)


def _kind(context: Context, name: str) -> str:
    """What the images of a row are."""
    kinds = {
        "real": "held-out images",
        "blurred": f"held-out images blurred (Gaussian, sigma {BLUR[0]:g} px)",
    }
    return kinds.get(name, context.generated)


def _protocol(context: Context, extract: Extractor, images: str, n: int) -> str:
    return (
        f"{extract.name} ({extract.sha256[:8]}); {images} against {n} training images;"
        f" {context.view_size} px, bilinear to {extract.size}"
    )


METRIC = Metric(
    name="frechet",
    section=Frechet,
    table="comparison",
    columns=(
        Column("fd_efficientnet", "FD (EfficientNet)", rank=10),
        Column("fid", "FID", rank=11),
        Column("kid", "KID", rank=12),
    ),
    measure=measure,
    subject="views",
    needs=("images",),
    files=("features",),
)
