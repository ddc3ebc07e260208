"""The sections of the configuration: everything that may be set, with its type, range and meaning.
Unknown keys are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Resolution = Annotated[int, Field(ge=4, le=1024)]


def _nested(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if not sizes or any(2 * max(sizes) % size for size in sizes):
        raise ValueError(f"resolutions must divide twice the largest, got {sizes}")
    return sizes


Resolutions = Annotated[tuple[Resolution, ...], AfterValidator(_nested)]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Camera(Section):
    """Cameras on the unit sphere that look at the origin, and the depth range of their rays
    (lengths in camera radii)."""

    fov_deg: Annotated[float, Field(gt=0, lt=120)] = Field(
        12.0, description="full angle of view, degrees"
    )
    near: Positive = Field(0.88, description="distance along the ray where sampling starts")
    far: Positive = Field(1.12, description="distance along the ray where sampling ends")
    prior: Literal["gaussian", "uniform"] = Field("gaussian", description="law of yaw and pitch")
    yaw: NonNegative = Field(
        0.3, description="standard deviation (gaussian) or half-width (uniform), radians"
    )
    pitch: NonNegative = Field(
        0.155, description="standard deviation (gaussian) or half-width (uniform), radians"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Camera:
        if self.far <= self.near:
            raise ValueError(f"far ({self.far}) must be larger than near ({self.near})")
        return self


class Heads(Section):
    """The default data set: renders of random heads from the CC0 head model."""

    train: Count = Field(3000, description="training identities, one image each")
    validation: Count = Field(200, description="validation identities, one image each")
    test: Count = Field(600, description="test identities, one image each")
    resolutions: Resolutions = Field((64, 128), description="image sizes to render, pixels")
    background: tuple[Fraction, Fraction, Fraction] = Field(
        # No skin, hair or lip has this colour: on white, bright skin is learnt as a hole in the
        # head.
        (0.45, 0.55, 0.7),
        description="background colour, 0 to 1",
    )
    identity_components: Count = Field(
        80, description="principal components of identity kept in the head model"
    )
    identities_for_pca: Count = Field(
        1500, description="random identities the components are computed from"
    )
    shard_size: Count = Field(500, description="images in a file")
    seed: int = Field(0, description="seed of the head model and of the renders")

    @model_validator(mode="after")
    def _possible(self) -> Heads:
        if self.identity_components >= self.identities_for_pca:
            raise ValueError(
                f"identity_components ({self.identity_components}) must be fewer than "
                f"identities_for_pca ({self.identities_for_pca})"
            )
        return self


class FieldNetwork(Section):
    """FiLM-SIREN field and its mapping network (method-gof 1; sizes of the paper: 8 layers of
    256)."""

    layers: Count = Field(4, description="FiLM-SIREN layers before the occupancy head")
    width: Count = Field(64, description="units a layer")
    latent: Count = Field(64, description="dimension of z")
    mapping_layers: Count = Field(2, description="hidden layers of the mapping network")
    mapping_width: Count = Field(128, description="units a hidden mapping layer")
    scene_side: Positive = Field(
        0.24, description="side of the cube that is scaled to [-1, 1], camera radii"
    )
    logit_scale: Positive = Field(10.0, description="factor on the occupancy head's output")
    sphere_radius: NonNegative = Field(
        0.085, description="radius of the sphere the field starts as, 0 for none"
    )
    sphere_stretch: tuple[Positive, Positive, Positive] = Field(
        (1.0, 1.0, 1.0), description="semi-axes of that sphere (right, up, forward) over its radius"
    )
    sphere_sharpness: NonNegative = Field(
        60.0, description="slope of the logit across that sphere, per camera radius"
    )


class DiscriminatorNetwork(Section):
    """Residual discriminator; channels at resolution r are min(channel_max, channel_base / r)."""

    channel_base: Count = 1024
    channel_max: Count = 128
    stddev_group: Count = Field(4, description="images that share one minibatch standard deviation")


class Sampling(Section):
    """Points on a ray (method-gof 3.1)."""

    coarse: Count = Field(12, description="evenly spaced samples of the pass without gradient")
    secant: CountOrZero = Field(3, description="secant steps that refine the first crossing")
    surface: CountOrZero = Field(8, description="samples in the interval around the surface")
    fine: CountOrZero = Field(0, description="importance samples from the coarse weights")
    tau: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="occupancy that counts as surface"
    )
    density_scale: Positive = Field(
        30.0, description="density per unit of positive logit (density integrator)"
    )


class Interval(Section):
    """Half-width of the sampled interval at a step: max(min, max * exp(-decay * step))."""

    max: Positive = 0.12
    min: Positive = 0.02
    decay: NonNegative = 1.25e-3


class Opacity(Section):
    """Weight of the opacity prior at a step: min(cap * weight, weight * exp(growth * step))."""

    weight: NonNegative = 0.1
    growth: NonNegative = 1.15e-3
    cap: Positive = 10.0


class NormalSmoothness(Section):
    """Weight and neighbour distance (camera radii) of the normal smoothness loss."""

    weight: NonNegative = 0.0
    distance: Positive = 1e-3
    rays: Count = Field(128, description="rays of an image it looks at, drawn from those that hit")


class Term(Section):
    """A loss: its weight, from which stage on it counts, and over how many steps it then grows to
    that weight."""

    weight: NonNegative = 0.0
    from_stage: CountOrZero = 1
    ramp_steps: CountOrZero = 0


class Conditions(Section):
    """Makes a model obey a 3DMM (cGOF): what its latent holds beside the face's coefficients, and
    the losses that hold it (method-cgof 3)."""

    free_geometry: CountOrZero = Field(8, description="latent entries for shape that is no face")
    free_texture: CountOrZero = Field(8, description="latent entries for colour that is no face")
    mapping_width: Count = Field(
        256, description="units a hidden layer of the mapping network, which reads coefficients"
    )
    guided_from: CountOrZero | None = Field(
        0, description="first stage that samples around the mesh of the coefficients; null: none"
    )
    geometric: Term = Field(
        Term(weight=1.0, from_stage=0),
        description="occupancy before and behind the mesh, as labels (the warm start)",
    )
    colour: Term = Field(
        Term(weight=1.0, from_stage=0), description="colour on the mesh, that of its render"
    )
    reconstruction: Term = Field(
        Term(weight=1.0), description="coefficients the regressor reads, whitened"
    )
    distance: Term = Field(Term(weight=10.0), description="weight far from the mesh")
    background: Term = Field(Term(weight=10.0), description="weight in front of the face beside it")
    depth_smoothness: Term = Field(Term(weight=10.0, from_stage=2), description="steps of depth")
    landmarks_2d: Term = Field(
        Term(weight=10.0, from_stage=2), description="landmarks the regressor reads"
    )
    landmarks_3d: Term = Field(
        Term(weight=30.0, from_stage=2), description="those landmarks lifted by the depth"
    )
    warping: Term = Field(
        Term(weight=1.0, from_stage=2), description="one field warped to another expression's"
    )
    warping_images: Count = Field(1, description="images of a micro-batch that are warped")
    geometric_rays: Count = Field(128, description="labelled rays of an image")
    landmark_rays: Fraction = Field(
        0.4, description="share of them near landmarks of brows, eyes, nose and mouth"
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_defaults(cls, given: Any) -> Any:
        """A loss of which only some settings are given keeps its own defaults of the others."""
        if not isinstance(given, Mapping):
            return given
        found = dict(given)
        for name, field in cls.model_fields.items():
            if isinstance(field.default, Term) and isinstance(given.get(name), Mapping):
                found[name] = field.default.model_dump() | dict(given[name])
        return found

    def upto(self, stage: int) -> Conditions:
        """The same without the terms that only later stages have."""
        later: dict[str, Term | None] = {
            name: Term()
            for name in type(self).model_fields
            if isinstance(term := getattr(self, name), Term) and term.from_stage > stage
        }
        if self.guided_from is not None and self.guided_from > stage:
            later["guided_from"] = None
        return self.model_copy(update=later)


class Stage(Section):
    """One resolution of progressive growth: a node of the DAG."""

    resolution: Resolution
    steps: Count
    objective: Literal["adversarial", "geometric"] = Field(
        "adversarial",
        description="geometric: the warm start of a conditional model, on meshes alone, its"
        " learning rate falling along a cosine",
    )
    batch: Count = Field(16, description="images of one step over all processes")
    micro_batch: Count = Field(
        8, description="images that pass the networks together; top-k acts within it"
    )
    lr_generator: Positive = 2e-4
    # At 1e-3 a first stage tears the sphere that shapes start as to pieces, and some of them are
    # left floating in front of the faces.
    lr_discriminator: Positive = 3e-4
    fade_steps: CountOrZero = Field(
        150, description="steps over which the discriminator's new layers fade in"
    )

    @model_validator(mode="after")
    def _divides(self) -> Stage:
        if self.batch % self.micro_batch:
            raise ValueError(f"micro_batch ({self.micro_batch}) must divide batch ({self.batch})")
        return self


class Model(Section):
    """A generator to train: `occupancy` is GOF, `density` its radiance-field baseline (pi-GAN)."""

    integrator: Literal["occupancy", "density"]
    sampling: Sampling = Sampling()
    interval: Interval = Interval()
    opacity: Opacity = Opacity()
    normal: NormalSmoothness = NormalSmoothness()
    conditions: Conditions | None = Field(None, description="given for cGOF")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        sizes = [stage.resolution for stage in self.stages]
        if sizes != sorted(sizes):
            raise ValueError(f"stages must not shrink in resolution, got {sizes}")
        if self.integrator == "occupancy" and self.sampling.surface == 0:
            raise ValueError("sampling.surface must be at least 1 for the occupancy integrator")
        guided = self.conditions is not None and self.conditions.guided_from is not None
        if self.integrator == "density" and self.sampling.surface and not guided:
            raise ValueError(
                "sampling.surface must be 0 for the density integrator (it has no interval)"
            )
        if self.conditions is None and any(s.objective == "geometric" for s in self.stages):
            raise ValueError("stages: objective geometric needs conditions")
        return self

    def first_step(self, stage: int) -> int:
        """Steps taken before `stage` begins."""
        return sum(s.steps for s in self.stages[:stage])


class Training(Section):
    """What all models share in training."""

    field: FieldNetwork = FieldNetwork()
    discriminator: DiscriminatorNetwork = DiscriminatorNetwork()
    betas: tuple[Fraction, Fraction] = (0.0, 0.9)
    mapping_lr: Positive = Field(
        0.2, description="learning rate of the mapping network over the generator's"
    )
    clip_generator: Positive = Field(1.0, description="largest norm of the generator's gradient")
    clip_discriminator: Positive = Field(
        5.0, description="largest norm of the discriminator's gradient"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.998, description="decay of the averaged weights"
    )
    r1_weight: NonNegative = 1.0
    r1_every: Count = Field(
        8, description="steps between gradient penalties (their weight is scaled up by it)"
    )
    # Discriminator and generator share this loss: a large weight rewards parallax that overstates
    # the pose (mouths that stick out), a small one lets it be read from colour alone.
    pose_weight: NonNegative = Field(1.0, description="weight of the pose regression")
    share_fakes: bool = Field(
        False,
        description="one batch of fakes for both updates of a step: saves the discriminator's",
    )
    flip: bool = Field(True, description="mirror real images at random")
    topk_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.99, description="share of fakes kept falls by it in 2000 steps"
    )
    topk_floor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.6, description="smallest share of fakes kept"
    )
    precision: Literal["float32", "bfloat16"] = "float32"
    truncation_latents: Count = Field(10000, description="latents behind the stored mean style")


class Runtime(Section):
    """How a job runs; nothing here changes a result."""

    train_threads: Count = Field(1, description="CPU threads of a training process")
    gpus: CountOrZero = Field(1, description="GPUs a training job asks for where there are any")
    log_every: Count = Field(20, description="steps between lines of the log")
    probe_every: Count = Field(100, description="steps between looks at surface and orientation")
    checkpoint_every: Count = Field(100, description="steps between checkpoints inside a stage")
    keep_checkpoints: Annotated[int, Field(ge=2)] = 2
    minutes: CountOrZero = Field(0, description="stop resumably after so many minutes, 0 for never")


class Samples(Section):
    """Sample sheets and the turntable."""

    latents: Count = 8
    yaws: tuple[float, ...] = Field((-0.5, 0.0, 0.5), description="radians")
    resolution: Resolution = 64
    truncation: Fraction = 0.7
    turntable_frames: Count = 24
    turntable_yaw: Positive = Field(0.6, description="largest yaw of the turntable, radians")


class Meshes(Section):
    """Extracted meshes."""

    count: Count = 4
    resolution: Annotated[int, Field(ge=16, le=1024)] = Field(128, description="grid points a side")
    side: Positive = Field(0.24, description="side of the meshed cube, camera radii")
    truncation: Fraction = 0.7


class Tracking(Section):
    """MLflow mirrors what the JSON files hold. The environment variable MLFLOW_TRACKING_URI wins
    over `uri`."""

    enabled: bool = True
    uri: str | None = Field(
        None, description="server or database; default: sqlite inside the results folder"
    )
    experiment: str = "gof"
    wait_s: NonNegative = Field(
        10.0, description="longest time the end of a run waits for the tracker, seconds"
    )
