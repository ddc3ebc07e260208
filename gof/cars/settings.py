"""The data set of rendered cars."""

from __future__ import annotations

from math import asin, pi
from typing import Literal

from pydantic import Field

from gof.config.section import Colour, Count, Seed
from gof.data.settings import DataSet
from gof.geometry.settings import Camera

OFFERED = ("images", "depth", "normals", "poses")
# The cameras of CARLA in GRAF and pi-GAN: from all around and above, never from below.
CAMERA = Camera(fov_deg=30.0, near=0.7, far=1.3, law="sphere", elevation=(asin(0.056), pi / 2))


class RenderedCars(DataSet):
    """Renders of thirteen models of cars in random paint, stretched at random."""

    source: Literal["cars"] = "cars"
    camera: Camera = CAMERA
    # Not CARLA's white: before it a white car is learnt as no car.
    background: Colour = Field((0.45, 0.55, 0.7), description="background colour, 0 to 1")
    flip: bool = Field(False, description="mirror images at random in training")
    train: Count = Field(6000, description="training images")
    validation: Count = Field(200, description="validation images")
    test: Count = Field(600, description="test images: the same bodies, drawn anew")
    seed: Seed = Field(0, description="seed of the renders")
