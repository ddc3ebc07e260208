"""`gof info`: what a generator is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gof.models import packaged, pretrained
from gof.morphable.coefficients import Statistics


@dataclass(frozen=True, slots=True)
class InfoJob:
    """`gof info`."""

    generator: Path | None = None
    """generator.yaml of a trained stage, or the name of one that comes along (default: those)"""


def run_info(wanted: InfoJob) -> None:
    """Print what the weights of a generator are, once they have been read without fault; of those
    that come along a line each where none is named."""
    if wanted.generator is not None:
        for name, text in facts(wanted.generator):
            print(f"{name:12}{text}")
        return
    for name in packaged.names():
        about = dict(facts(Path(name)))
        print(f"{name:12}{about['model']}; {about['images']}")
    print("gof info NAME says more")


def facts(generator: Path) -> Iterator[tuple[str, str]]:
    """What can be said of a generator, by name. Raises InputError where it cannot be read."""
    model = pretrained.load(generator)
    info, described = model.info, packaged.located(generator)
    trained = info["trained_as"]
    conditional = ", given a 3DMM's coefficients" if model.layout else ""
    yield "model", f"{info['model']}, {_field(info)}, {trained['integrator']}{conditional}"
    yield "images", f"{model.resolution} px, data set {info.get('dataset', 'unknown')}"
    yield "trained", f"{info['step']:,} steps, seed {info['seed']}, {_stages(trained)}"
    yield "latent", _latent(model)
    if meaning := packaged.statistics(described):
        for block, names in Statistics.load(meaning).names.items():
            yield block, ", ".join(names)
    spread = f"{model.camera.yaw:g} and {model.camera.pitch:g}"
    yield "camera", f"{model.camera.fov_deg:g} degrees, yaw and pitch {spread} rad"
    yield "weights", f"{info['weights']}, sha256 {info['sha256'][:12]}"
    if (card := described.with_suffix(".md")).is_file():
        yield "card", str(card)


def _field(info: dict[str, Any]) -> str:
    field = info["networks"]["field"]
    sizes = [f"{field[key]}" for key in ("layers", "width") if key in field]
    return " ".join([field["name"], " x ".join(sizes)]).strip()


def _stages(trained: dict[str, Any]) -> str:
    return " > ".join(f"{stage['resolution']} px" for stage in trained["stages"])


def _latent(model: pretrained.Pretrained) -> str:
    blocks = model.info.get("blocks") or {}
    parts = ", ".join(f"{name} {size}" for name, size in blocks.items())
    return f"{model.generator.latent} numbers" + (f": {parts}" if parts else "")
