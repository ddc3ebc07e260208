"""`gof import`: the authors' weights as a generator of ours, which looks as theirs does."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gof.authors import curriculum as curricula
from gof.authors import layout
from gof.authors.curriculum import LATENT, Curriculum
from gof.authors.jobs import ImportJob
from gof.experiment.config import Config
from gof.fields.kinds.film_siren import FilmSirenSettings
from gof.fields.settings import Mapping, StartShape
from gof.models import pretrained
from gof.models.generator import Generator
from gof.models.settings import Networks
from gof.rendering.settings import Released, Sampling
from gof.run.files import sha256
from gof.run.job import job
from gof.run.outputs import Writes
from gof.run.target import placed

SCALE = 30.0  # of a density: what our logit 1 is, as in `Sampling`
TRUNCATION_LATENTS = 10_000  # whose mean style theirs and ours pull toward
BLOCKS = {  # of cGOF's latent, in its order, which is that of `gof.morphable.coefficients.LATENT`
    "identity": 80,
    "expression": 64,
    "free_geometry": 80,
    "albedo": 80,
    "light": 27,
    "free_texture": 80,
}


def networks(method: str, found: Curriculum) -> Networks:
    """The parts of their generator; nothing is added to its logits."""
    return Networks(
        field=FilmSirenSettings(
            layers=layout.LAYERS,
            width=layout.WIDTH,
            scene_side=found.scene_side,
            logit_scale=1.0 if found.pred_occ else 1 / SCALE,
        ),
        mapping=Mapping(latent=LATENT[method], layers=layout.HIDDEN, width=layout.WIDTH),
        start_shape=StartShape(radius=0.0, sharpness=0.0),
    )


def sampling(found: Curriculum, protocol: str) -> Sampling:
    """Samples of a ray: of an occupancy coarse, surface and fine ones, of a density as many coarse
    as fine ones; twice as many for pictures."""
    times = 2 if protocol == "pictures" else 1
    if not found.pred_occ:
        count = times * (found.num_steps or found.num_steps_coarse)
        return Sampling(coarse=count, surface=0, fine=count, density_scale=SCALE)
    return Sampling(
        coarse=times * found.num_steps_coarse,
        secant=found.n_secant_steps,
        surface=times * found.num_steps_surface,
        fine=times * found.num_steps_fine,
        tau=found.tau,
    )


def described(wanted: ImportJob, found: Curriculum) -> dict[str, Any]:
    """What generator.yaml says of them."""
    pictures = wanted.protocol == "pictures"
    rules = Released(
        last_back=found.last_back or (pictures and found.eval_last_back),
        clamp=found.clamp_mode,
        plane=wanted.method == "cgof",
    )
    place = 1.0 if found.white_back else -1.0
    return {
        "model": wanted.method,
        "seed": "unknown",
        "stage": 0,
        "step": found.steps,
        "dataset": found.dataset.lower(),
        "blocks": BLOCKS if wanted.method == "cgof" else None,
        "networks": networks(wanted.method, found).model_dump(mode="json"),
        "camera": found.camera.model_dump(mode="json"),
        "trained_as": {
            "integrator": "occupancy" if found.pred_occ else "density",
            "sampling": sampling(found, wanted.protocol).model_dump(mode="json"),
            "interval": {"max": found.interval_max},
            "stages": [{"resolution": found.img_size}],
        },
        "half_width": found.interval_min,
        "background": [place] * 3,
        "compat": "released",
        "released": rules.model_dump(mode="json"),
        "latents": wanted.draws,
        "imported": {"weights": wanted.weights.name, "sha256": sha256(wanted.weights)},
    }


def generator(parts: Networks, tensors: dict[str, Tensor]) -> Generator:
    """Our network with their tensors, by our names, and its mean style."""
    made = Generator(parts)
    made.load_state_dict({**tensors, "mean_style": made.mean_style})
    made.estimate_mean_style(TRUNCATION_LATENTS)
    return made.eval()


def run_import(config: Config, wanted: ImportJob) -> None:
    """Write generator.yaml and its weights, and a record beside them. Raises InputError naming the
    file, and what of it is missing, unknown or of another shape."""
    out = placed(wanted.out, "import.json")
    described_in, weights = out.with_name("generator.yaml"), out.with_name("generator.safetensors")
    inputs = {"weights": wanted.weights}
    if wanted.options is not None:
        inputs["options"] = wanted.options
        found = curricula.read(wanted.options)
    else:
        found = curricula.released(wanted.method, wanted.dataset)
    own = config.scoped(config.only())
    with job(out, "import", own, inputs, Writes((described_in, weights))) as running:
        tensors = layout.read(wanted.weights, LATENT[wanted.method])
        info = described(wanted, found)
        parts = Networks.model_validate(info["networks"])
        pretrained.save(described_in, generator(parts, tensors), info)
        running.artifact(described_in)
        running.numbers = {
            "tensors": len(tensors),
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
        }
