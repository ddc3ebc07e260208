"""The same numbers on a GPU as on the CPU; skipped where there is none."""

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from gof.cli.main import main
from gof.experiment.model import Model
from gof.geometry.cameras import camera_rays
from gof.geometry.raster import interpolate, rasterise
from gof.geometry.settings import Camera
from gof.models.generator import Generator
from gof.rendering.interface import RenderSettings
from gof.rendering.render import render
from gof.shapes.marching import extract
from gof.shapes.sparse_grid import Grid
from gof.training.distributed import World
from gof.training.schedule import plan
from gof.training.settings import Stage, Training
from gof.training.state import TrainState
from gof.training.steps import discriminator_step, generator_step
from gof.training.task import Task
from tests.unit.small_networks import networks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SMALL = '{"samples": {"resolution": 16, "latents": 2}, "meshes": {"resolution": 48}}'
MODEL = Model(integrator="occupancy", stages=(Stage(resolution=16, steps=5),))


def test_picture_and_depth_agree_with_the_cpu() -> None:
    generator = Generator(networks())
    generator.reset(0)
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    poses = torch.tensor([[0.0, 0.0], [0.4, 0.1]])
    settings = RenderSettings.of("occupancy", MODEL.sampling, 0.05, (Camera(), (1.0, 1.0, 1.0)))
    outs = []
    for device in ("cpu", "cuda"):
        generator.to(device)
        with torch.no_grad():
            field = generator.bind(generator.style(z.to(device)))
            outs.append(render(field, camera_rays(poses.to(device), 32, 12.0), settings))
    cpu, gpu = outs
    same = cpu.hit == gpu.hit.cpu()
    assert same.float().mean() > 0.998  # rounding may decide about a ray that grazes the surface
    assert (cpu.rgb - gpu.rgb.cpu())[same].abs().max() <= 4 / 255
    both = cpu.hit & gpu.hit.cpu()
    assert (cpu.surface_t - gpu.surface_t.cpu())[both].abs().max() < 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_run_and_every_weight_receives_gradient(precision) -> None:
    training = Training(precision=precision)
    model, parts = MODEL.model_copy(update={"training": training}), MODEL.networks()
    world = World(device=torch.device("cuda", 0))
    task = Task(model, parts, Camera(), (1.0, 1.0, 1.0), 0, world)
    state = TrainState.create(parts, model, 16, 0)
    state.set_learning_rates(model.stages[0], training)
    state.to(world.device)
    now = plan(model, 0, 0)
    reals = [torch.rand(len(rows), 3, 16, 16, device="cuda") for rows in task.rows(now)]
    values = discriminator_step(state, task, now, reals) | generator_step(state, task, now)
    assert all(torch.isfinite(value) for value in values.values())
    for name, parameter in state.generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_meshes_are_rasterised_as_on_the_cpu() -> None:
    own = torch.Generator().manual_seed(0)
    centres = (torch.rand(2, 80, 1, 3, generator=own) - 0.5) * 0.15
    corners = (centres + (torch.rand(2, 80, 3, 3, generator=own) - 0.5) * 0.06).flatten(1, 2)
    triangles, poses = torch.arange(240).view(-1, 3), torch.tensor([[0.0, 0.0], [0.6, -0.3]])
    seen = []
    for device in ("cpu", "cuda"):
        raster = rasterise(corners.to(device), triangles.to(device), poses.to(device), 64, 12.0)
        places = interpolate(raster, corners.to(device))
        seen.append((raster.triangle_id.cpu(), raster.depth.cpu(), places.cpu()))
    (face, depth, place), (other_face, other_depth, other_place) = seen
    same = face == other_face
    assert same.float().mean() > 0.999  # rounding may decide about a pixel on an edge
    torch.testing.assert_close(depth[same], other_depth[same], atol=1e-5, rtol=0)
    torch.testing.assert_close(place[same], other_place[same], atol=1e-5, rtol=0)


def test_surfaces_are_found_as_on_the_cpu() -> None:
    generator = Generator(networks())
    generator.reset(0)
    z = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for device in ("cpu", "cuda"):
        generator.to(device)
        field = generator.bind(generator.style(z.to(device)))
        found.append(extract(field, Grid(48, 0.24, device), 0.0))
    cpu, gpu = found
    assert cpu is not None and gpu is not None
    assert len(gpu.faces) == pytest.approx(len(cpu.faces), rel=0.01)
    assert gpu.vertices.mean(0) == pytest.approx(cpu.vertices.mean(0), abs=1e-4)


@pytest.mark.parametrize("verb", ["samples", "mesh"])
def test_verbs_draw_on_the_gpu_what_they_draw_on_the_cpu(verb, tmp_path) -> None:
    seen = []
    for device in ("cpu", "cuda"):
        out = tmp_path / device / ("sheet.png" if verb == "samples" else "head.ply")
        call = [verb, "--generator", "heads-gof", "--config", SMALL, "--out", str(out)]
        main(["--device", device, *call])
        if verb == "samples":
            seen.append(np.asarray(Image.open(out)).astype(float))
        else:
            seen.append(trimesh.load(out).bounds)
    assert np.abs(seen[0] - seen[1]).mean() < (2.0 if verb == "samples" else 1e-3)
