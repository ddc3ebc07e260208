"""The published data sets, with the cameras, crops and backgrounds that the papers give them."""

from __future__ import annotations

from math import asin, pi
from typing import Literal

from pydantic import Field

from gof.config.section import Colour, Resolutions
from gof.data.settings import Collected, Shares
from gof.geometry.settings import Camera

BY_NAME = {"train": 0.9, "validation": 0.05, "test": 0.05}


class Published(Collected):
    """A set that others published."""

    folder: str | None = Field(
        None,
        description="where the set lies unpacked; null: it is downloaded and unpacked into the"
        " cache",
    )
    resolutions: Resolutions = Field((32, 64, 128), description="image sizes that are stored")
    on_bad: Literal["fail", "skip"] = Field(
        "skip", description="skip leaves out up to 1 % of files that are no usable images"
    )


class CelebA(Published):
    """CelebA, aligned: the centre square of 142.4 of 178 pixels, splits from its own file, the five
    landmarks kept. Source: pi-GAN and GOF's released code (short side to 320, centre 256)."""

    source: Literal["celeba"] = "celeba"
    camera: Camera = Camera(near=0.88, far=1.12, law="gaussian", yaw=0.3, pitch=0.155)


class Cats(Published):
    """Cat heads of Zhang, Sun and Tang (ECCV 2008), turned level and cut by their annotation, as
    RelativisticGAN does for pi-GAN and GOF."""

    source: Literal["cats"] = "cats"
    camera: Camera = Camera(near=0.8, far=1.2, law="uniform", yaw=0.5, pitch=0.4)
    outliers: str | None = Field(
        None,
        description="a text that names images to leave out, such as RelativisticGAN's"
        " setting_up_script.sh, whose 134 the papers' 6,444 images lack",
    )
    splits: Shares = Field(BY_NAME, description="shares of the images, by their names")


class Carla(Published):
    """Cars of CARLA, as GRAF renders them: on white, from all around and above."""

    source: Literal["carla"] = "carla"
    camera: Camera = Camera(
        fov_deg=30.0, near=0.7, far=1.3, law="sphere", elevation=(asin(0.056), pi / 2)
    )
    background: Colour = Field((1.0, 1.0, 1.0), description="background colour, 0 to 1")
    flip: bool = Field(False, description="mirror images at random in training")
    poses: bool = Field(True, description="read the camera of each image as well")
    splits: Shares = Field(BY_NAME, description="shares of the images, by their names")


class Ffhq(Published):
    """FFHQ, by your own copy of its images (thumbnails128x128 or images1024x1024): every file is
    checked by its published md5; the first 60,000 are for training, the last 10,000 are halved."""

    source: Literal["ffhq"] = "ffhq"
    folder: str = Field(description="where your copy lies, with ffhq-dataset-v2.json or without")  # type: ignore[assignment]
    camera: Camera = Camera(near=0.88, far=1.12, law="gaussian", yaw=0.3, pitch=0.155)


class Synface(Published):
    """Renders of BFM-2009 (unsup3d): the centre square of 170 pixels, 8-bit depth turned into
    distances along rays."""

    source: Literal["synface"] = "synface"
    camera: Camera = Camera(near=0.88, far=1.12, law="gaussian", yaw=0.3, pitch=0.155)
    background: Colour = Field((0.0, 0.0, 0.0), description="background colour, 0 to 1")
