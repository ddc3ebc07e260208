"""Identity over views: whether a head stays the same person as the camera goes round, as the judge
reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gof.config.section import Count
from gof.metrics.registry import Metric
from gof.metrics.section import FOLLOWS, SizedSection
from gof.run.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from gof.metrics.context import Context

    Look = Callable[[int], list[Tensor]]  # images [n, 3, r, r] from each side, by evaluation seed


class Identity(SizedSection):
    """How far the identities that a judge reads in views of a head lie apart."""

    samples: Annotated[int, Field(ge=2)] = Field(32, description="heads")
    yaws: tuple[float, ...] = Field(
        (-0.3, 0.0, 0.3), min_length=2, description="where the camera stands, radians"
    )
    resolution: Count | None = Field(
        None, description=f"size of the images the judge reads; {FOLLOWS}"
    )


def measure(context: Context, settings: Identity) -> dict[str, Any]:
    """Distance of identities between views of a head, over that between heads; for references also
    of renders of the 3DMM."""
    import torch

    from gof.morphable.coefficients import Statistics
    from gof.readers.files import load_regressor

    files = context.files
    judge, statistics = load_regressor(files["judge"]), Statistics.load(files["statistics"])

    @torch.no_grad()
    def read(images: Tensor) -> Tensor:
        return statistics.split(judge(images).z)["identity"]

    return scores(context, settings, read, _looks(context, settings))


def scores(
    context: Context, s: Identity, read: Callable[[Tensor], Tensor], looks: dict[str, Look]
) -> dict[str, Any]:
    """The same of who is looked at, by row name; read: identities [n, d] in images."""
    import torch

    from gof.metrics.context import row
    from gof.metrics.scores.control import change_of_identity

    how = (
        f"{s.samples} heads from {len(s.yaws)} sides, psi 1, {s.pixels} px; mean distance of the"
        " judge's identity coefficients between views of a head, over that between heads"
    )
    rows = []
    for name, look in looks.items():
        found = [
            change_of_identity(torch.stack([read(images) for images in look(seed)]))
            for seed in context.seeds
        ]
        rows.append(row(name, "identity_change", found, s.samples, how))
    return {"rows": rows}


def _looks(context: Context, s: Identity) -> dict[str, Look]:
    """What is looked at, by row name."""
    import torch

    from gof.metrics.portraits import Renders, Request
    from gof.morphable.meshes import Meshes
    from gof.pictures.views import ViewRequest, render_views

    sides = [torch.tensor([[yaw, 0.0]]).expand(s.samples, 2) for yaw in s.yaws]

    def generated(seed: int) -> list[Tensor]:
        latents = context.model.latents(seed, s.samples)
        wanted = [ViewRequest(latents, poses, s.pixels, 1.0) for poses in sides]
        return [render_views(context.model, one).rgb for one in wanted]

    found: dict[str, Look] = {context.name: generated}
    if context.reference:
        manifest = context.manifest
        pair = (context.files["head_model"], context.files["statistics"])
        meshes = Meshes.read(pair, None, manifest.camera, manifest.background)

        def rendered(seed: int) -> list[Tensor]:
            latents = meshes.layout.draw(seed, "subjects", range(s.samples))
            asked = [Request(latents, poses, s.pixels, seed, "identity") for poses in sides]
            return [Renders(meshes).portraits(one).rgb for one in asked]

        found["renders"] = rendered
    return found


METRIC = Metric(
    name="identity",
    section=Identity,
    table="geometry",
    columns=(Column("identity_change", "change of identity", rank=48),),
    measure=measure,
    needs=("images", "landmarks", "coefficients"),
    files=("head_model", "statistics", "judge"),
)
