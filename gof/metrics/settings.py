"""The sections of the configuration that evaluation needs: one for each metric."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from gof.config.section import Count, Fraction, Positive, Resolution, Section

VIEWED = ("frechet", "depth")  # metrics that look at views, not at a generator


class RenderedViews(Section):
    """Images and depth of a generator from the pose prior, rendered once for `frechet` and
    `depth`."""

    count: Annotated[int, Field(ge=2)] = Field(1000, description="images for an evaluation seed")
    resolution: Annotated[int, Field(ge=8, le=1024, multiple_of=8)] = Field(
        32, description="size of the images; the last stage's is apt"
    )
    truncation: Fraction = 1.0


class Frechet(Section):
    """Frechet distance of image features."""

    samples: Annotated[int, Field(ge=2)] = Field(
        600, description="generated images, and as many real ones"
    )
    resize: Count = Field(128, description="size the feature network sees")


class Surface(Section):
    """Weighted variance, surface agreement, outward shapes (method-gof 3.3)."""

    samples: Count = 64
    resolution: Resolution = 64
    coarse: Annotated[int, Field(ge=8)] = Field(36, description="evenly spaced samples on a ray")
    truncation: Fraction = 0.7


class DepthNet(Section):
    """SIDE and MAD through a depth network trained on a generator's (image, depth) pairs
    (method-gof 3.5)."""

    pairs: Count = 1000
    steps: Count = 1000
    batch: Annotated[int, Field(ge=2)] = 8
    lr: Positive = 6e-3
    width: Count = Field(16, description="channels of the first layer")
    score_resolution: Resolution = Field(
        64, description="size of the true depth maps its depth is compared with, enlarged"
    )


class Disentanglement(Section):
    """Disentanglement Score of each factor: what else moves when one factor alone is drawn anew
    (method-cgof 5.2)."""

    subjects: Count = Field(30, description="heads, each with all its factors")
    variations: Annotated[int, Field(ge=2)] = Field(
        6, description="images of a subject, in which one factor differs"
    )
    resolution: Annotated[int, Field(ge=16, le=1024)] = Field(
        32, description="size of the images the judge reads; the last stage's is apt"
    )
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


class Shape(Section):
    """Distance of generated faces to the meshes they were asked for, seen from the front
    (method-cgof 5.3)."""

    heads: Annotated[int, Field(ge=2)] = Field(
        60, description="heads; each also meets the mesh of the next"
    )
    resolution: Resolution = Field(64, description="pixels that the compared points lie on")
    coarse: Annotated[int, Field(ge=8)] = Field(
        36, description="evenly spaced samples on a ray, before the secant steps"
    )
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


class LandmarkControl(Section):
    """Landmarks that the judge reads in generated images against those of the meshes they were
    asked for (method-cgof 5.3)."""

    pairs: Annotated[int, Field(ge=2)] = Field(
        40, description="pairs of heads; three images of each are read"
    )
    resolution: Annotated[int, Field(ge=16, le=1024)] = Field(64, description="pixels")
    truncation: Fraction = Field(0.7, description="psi of the truncated row")


class Metrics(Section):
    """Evaluation; every metric runs once for each evaluation seed."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1)
    views: RenderedViews = RenderedViews()
    frechet: Frechet = Frechet()
    surface: Surface = Surface()
    depth: DepthNet = DepthNet()
    disentanglement: Disentanglement = Disentanglement()
    shape: Shape = Shape()
    landmarks: LandmarkControl = LandmarkControl()

    @model_validator(mode="after")
    def _views_suffice(self) -> Metrics:
        wanted = {"frechet": self.frechet.samples, "depth": self.depth.pairs}
        for name in wanted.keys() & self.model_fields_set:  # a rule passes on what it needs
            if self.views.count < wanted[name]:
                raise ValueError(f"views.count ({self.views.count}) is too few for {name}")
        if "depth" in self.model_fields_set:
            score, size = self.depth.score_resolution, self.views.resolution
            if score % size:
                raise ValueError(
                    f"depth.score_resolution ({score}) must be a multiple of"
                    f" views.resolution ({size})"
                )
        return self
