from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from gof.conditioning.condition import Pool
from gof.conditioning.conditioner import FaceConditioner
from gof.conditioning.settings import Conditions
from gof.data.manifest import Manifest, Split, encode_depth, load_manifest, write_manifest
from gof.data.shards import write_shard
from gof.experiment.model import Model
from gof.fields.field import Field
from gof.geometry.cameras import camera_rays, project
from gof.geometry.settings import Camera
from gof.losses.settings import NormalSmoothness, Term
from gof.models.settings import DiscriminatorNetwork
from gof.morphable.coefficients import Layout
from gof.rendering.interface import Guide
from gof.rendering.settings import Sampling
from gof.run import rng
from gof.training.conditioner import Terms
from gof.training.distributed import World
from gof.training.fakes import Drawn, Fakes
from gof.training.loop import Loop
from gof.training.reals import Reals
from gof.training.schedule import StepPlan
from gof.training.settings import Runtime, Stage, Training
from gof.training.state import TrainState
from gof.training.task import Task
from tests.unit.small_networks import networks

STAGES = (
    Stage(resolution=8, steps=6, batch=8, micro_batch=4, fade_steps=2),
    Stage(resolution=16, steps=4, batch=8, micro_batch=4, fade_steps=3),
)
SAMPLING = Sampling(coarse=4, secant=1, surface=2, fine=1)


class Tiny:
    """A training task that takes milliseconds a step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.networks = networks(layers=2, width=8, latent=4, mapping={"width": 8})
        self.model = Model(
            **dict(self.networks),
            integrator="occupancy",
            discriminator=DiscriminatorNetwork(channel_base=32, channel_max=8),
            training=Training(r1_every=2),
            sampling=SAMPLING,
            stages=STAGES,
            normal=NormalSmoothness(weight=0.01, distance=0.01),
        )

    def task(self, world: World = World(), model: Model | None = None) -> Task:  # noqa: B008
        model, white = model or self.model, (1.0, 1.0, 1.0)
        return Task(model, self.networks, Camera(), white, seed=3, world=world)

    @property
    def training(self) -> Training:
        return self.model.training

    @training.setter
    def training(self, training: Training) -> None:
        self.model = self.model.model_copy(update={"training": training})

    def state(self) -> TrainState:
        state = TrainState.create(self.networks, self.model, STAGES[0].resolution, 3)
        state.set_learning_rates(STAGES[0], self.training)
        return state

    def state_after(self, step: int) -> TrainState:
        """One that has moments, as if it had taken so many steps."""
        state = self.state()
        state.step = step
        for optimizer in (state.optimizer_g, state.optimizer_d):
            for group in optimizer.param_groups:
                for p in group["params"]:
                    moments = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
                    optimizer.state[p] = {"step": torch.tensor(float(step)), **moments}
        return state

    def reals(self, resolution: int = 8) -> Reals:
        generator = torch.Generator().manual_seed(1)
        shape = (10, 3, resolution, resolution)
        images = torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)
        return Reals(lambda numbers: images[numbers], len(images), seed=3, flip=True)

    def loop(self, last: int, task: Task | None = None, runtime: Runtime | None = None) -> Loop:
        runtime = runtime or Runtime(log_every=2, checkpoint_every=2, probe_every=100)
        return Loop(
            task=task or self.task(),
            runtime=runtime,
            reals=self.reals(),
            stage=0,
            last=last,
            checkpoints=self.folder / "checkpoints",
            probe=lambda state, now: {"sigma": 0.0, "outward": 1.0},
        )


SIZES = {"identity": 3, "expression": 2, "albedo": 2, "light": 2}


def sphere_depth(poses: torch.Tensor, resolution: int, radius: torch.Tensor) -> torch.Tensor:
    """Depth [n, r, r] of spheres with radius [n], 0 beside them."""
    rays = camera_rays(poses, resolution, 12.0)
    b = (rays.origins * rays.directions).sum(-1)
    inside = b**2 - (1 - radius[:, None] ** 2)
    depth = torch.where(inside > 0, -b - inside.clamp_min(0).sqrt(), 0.0)
    return depth.unflatten(-1, (resolution, resolution))


def write_pool(folder: Path, count: int = 12) -> Path:
    """A pool of conditions whose heads are spheres: a twentieth of the first coefficient more
    radius, expressions that move nothing."""
    own = rng.streams(0, "toy pool", range(count))
    z = own.normal(9)
    z_b = z.clone()
    z_b[:, 3:5] = own.normal(2)
    poses = own.normal(2) * 0.2
    radius = 0.08 * (1 + 0.05 * z[:, 0])
    marks = torch.nn.functional.normalize(own.normal(68, 3), dim=-1) * radius[:, None, None]
    arrays = {"z": z, "z_b": z_b, "pose": poses, "landmarks_3d": marks}
    arrays["landmarks"] = project(marks, poses, 12.0)[0]
    for r in (8, 16):
        depth = encode_depth(sphere_depth(poses, r, radius), Camera())
        arrays |= {f"depth_{r}": depth, f"depth_b_{r}": depth}
        arrays[f"flow_{r}"] = torch.zeros(count, r, r, 3, dtype=torch.float16)
        arrays[f"image_{r}"] = torch.full((count, r, r, 3), 128, dtype=torch.uint8)
    shard = write_shard(folder / "train-000", {k: v.numpy() for k, v in arrays.items()})
    path = folder / "manifest.json"
    splits = {"train": Split(count, (shard,))}
    manifest = Manifest(path, "pool", Camera(), (1.0, 1.0, 1.0), (8, 16), splits, {})
    write_manifest(manifest)
    return path


class Reader(torch.nn.Module):
    """Stands in for the regressor: reads coefficients and landmarks off the mean colour."""

    def forward(self, images: torch.Tensor) -> SimpleNamespace:
        mean = images.mean((1, 2, 3))[:, None]
        return SimpleNamespace(
            z=mean.expand(-1, 9), landmarks=(mean * 0.1)[..., None].expand(-1, 68, 2)
        )


class TinyFaces(Tiny):
    """The same for a conditional model, with a warm start before the two stages if there is one."""

    def __init__(self, folder: Path, warm: bool = True) -> None:
        super().__init__(folder)
        everything = {
            name: {"weight": 0.5, "from_stage": int(warm)}
            for name, item in Conditions.model_fields.items()
            if isinstance(item.default, Term)
        }
        conditions = Conditions.model_validate(
            everything
            | {"free_geometry": 1, "free_texture": 1, "geometric_rays": 16}
            | {key: {"weight": 1, "from_stage": 0} for key in ("geometric", "colour")}
        )
        first = STAGES[0].model_copy(update={"objective": "geometric", "lr_generator": 2e-3})
        stages = (first, *STAGES) if warm else STAGES
        self.model = self.model.model_copy(update={"conditions": conditions, "stages": stages})
        layout = Layout(SIZES | {"free_geometry": 1, "free_texture": 1})
        mapping = self.networks.mapping.model_copy(update={"latent": layout.total})
        self.networks = self.networks.model_copy(update={"mapping": mapping})
        folder.mkdir(exist_ok=True)
        pool = Pool(load_manifest(write_pool(folder)), 8, seed=3)
        self.conditioner = FaceConditioner(conditions, layout, pool, Reader())

    def task(self, world: World = World(), model: Model | None = None) -> Task:  # noqa: B008
        return replace(super().task(world, model), conditioner=self.conditioner)


def snapshot(state: TrainState) -> dict[str, torch.Tensor]:
    """What a state holds now, whatever becomes of it: `tensors` shares its memory."""
    return {name: tensor.clone() for name, tensor in state.tensors().items()}


class Asking:
    """A conditioner without faces: latents and poses of its own, a guide at depth 1, two losses."""

    blocks: ClassVar = {"first": 1, "rest": 3}

    ahead: ClassVar = nullcontext()

    def announce(self, rows: list[int], who: str, device: torch.device) -> None:
        """Nothing is read."""

    def draw(self, rows: list[int], who: str, streams: rng.Streams) -> Drawn:
        return Drawn(streams.normal(4), streams.normal(2) * 0.1, streams, (rows, who))

    def guide(self, condition: tuple, plan: StepPlan) -> Guide | None:
        depth = torch.ones(len(condition[0]), plan.stage.resolution**2)
        return Guide(depth, depth > 0) if plan.inside else None

    def terms(self, generator: object, fakes: Fakes, plan: StepPlan, camera: Camera) -> Terms:
        return {
            "bright": (2.0, fakes.images.square().mean() * camera.fov_deg),
            "near": (0.5, fakes.drawn.poses.mean() * fakes.out.depth.mean()),
        }

    def warm_terms(self, field: Field, drawn: Drawn, plan: StepPlan, camera: Camera) -> Terms:
        points = drawn.latents[:, None, :3] * camera.near * 0.1
        value = field.logits(points).square().mean()
        return {"labels": (3.0, value), "unweighted": (0.0, value * 2)}


@pytest.fixture
def tiny_faces(tmp_path: Path) -> TinyFaces:
    return TinyFaces(tmp_path)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)
