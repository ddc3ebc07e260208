"""What holds for any data set, wherever its images come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gof.config.section import Colour, Count, Fraction, Resolutions, Section
from gof.geometry.settings import Camera

# What a data set may offer. Metrics, fits and conditional models name what they need of it.
OFFERS = ("images", "depth", "normals", "poses", "landmarks", "coefficients")

SPLITS = ("train", "validation", "test")


class DataSet(Section):
    """A data set. All of this goes into its manifest, where training and metrics read it."""

    source: str = Field(description="where its images come from, which decides its other settings")
    camera: Camera = Camera()
    background: Colour = Field((1.0, 1.0, 1.0), description="background colour, 0 to 1")
    resolutions: Resolutions = Field((64, 128), description="image sizes that are stored, pixels")
    flip: bool = Field(True, description="mirror images at random in training")
    shard_size: Count = Field(500, description="images in a file")
    models: tuple[str, ...] | None = Field(
        None, description="models to train on it; null: all that need no more than it offers"
    )

    @property
    def found(self) -> tuple[str, ...]:
        """What no image comes with, but the steps of `faces` find in them (see OFFERS)."""
        return ()


def _whole(shares: dict[str, float]) -> dict[str, float]:
    if set(shares) != set(SPLITS) or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"train, validation and test must add up to 1, got {shares}")
    if not shares["train"]:
        raise ValueError("train must not be 0")
    return shares


class Collected(DataSet):
    """A data set made of image files."""

    on_bad: Literal["fail", "skip"] = Field(
        "fail", description="skip leaves out up to 1 % of files that are no usable images"
    )
    compat: Literal["released"] | None = Field(
        None,
        description="released: images are resized by the nearest pixel, which aliases, as GOF's"
        " released code does",
    )

    faces: bool = Field(
        False,
        description="its images are aligned faces: landmarks are detected and a 3DMM fitted, so"
        " that conditional models can be trained on it",
    )

    bfm: str | None = Field(
        None,
        description="the 3DMM of its faces: your copy of the Basel Face Model, BFM_model_front.mat"
        " or 01_MorphableModel.mat with its companions; null: the CC0 head model",
    )

    @property
    def found(self) -> tuple[str, ...]:
        """See DataSet."""
        return ("landmarks", "coefficients") if self.faces else ()

    @property
    def released(self) -> bool:
        """Whether to resize as the released code does."""
        return self.compat == "released"


Shares = Annotated[dict[str, Fraction], AfterValidator(_whole)]


class Photographs(Collected):
    """The images of a folder and the folders below it."""

    source: Literal["photographs"] = "photographs"
    folder: str = Field(description="where the photographs lie, from where the run is started")
    crop: Literal["centre"] = Field("centre", description="centre: the largest square in it")
    crop_share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="side of that square over the largest one; the papers' CelebA: 0.8"
    )
    align: Literal["faces"] | None = Field(
        None,
        description="faces: photographs as people have them; the one face of each is found, turned"
        " upright and cut so that it lies where a rendered one does",
    )
    prior: Literal["camera", "estimated"] = Field(
        "camera",
        description="the law that poses are drawn from: as `camera` says, or the one that fits the"
        " poses which `align` estimates from landmarks",
    )
    splits: Shares = Field(
        {"train": 0.9, "validation": 0.05, "test": 0.05},
        description="shares of the images; which image is in which, its name decides",
    )

    @model_validator(mode="after")
    def _estimated_where_aligned(self) -> Photographs:
        if self.prior == "estimated" and self.align is None:
            raise ValueError("prior: estimated needs align: faces, which estimates the poses")
        return self
