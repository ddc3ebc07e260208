"""Verbs that show what a generator has learnt."""

from __future__ import annotations

from gof.cli.registry import Verb

VERBS = (
    Verb(
        name="samples",
        summary="Draw a sheet of samples and a turntable.",
        example="gof samples --generator heads-gof --out sheet.png",
        group="pictures and meshes",
        job="gof.pictures.jobs:SamplesJob",
        run="gof.pictures.views:run_samples",
    ),
    Verb(
        name="render",
        summary="Render heads by their numbers: colours, depth, normals as files.",
        example="gof render --generator heads-gof --seeds 0-3,7 --yaw 0.4 0 -0.4 --out heads/",
        group="pictures and meshes",
        job="gof.pictures.jobs:RenderJob",
        run="gof.pictures.renders:run_render",
    ),
    Verb(
        name="video",
        summary="Film heads from side to side, or one becoming the next.",
        example="gof video --generator heads-gof --seeds 0-3 --normals --out heads.webm",
        group="pictures and meshes",
        job="gof.pictures.jobs:VideoJob",
        run="gof.pictures.renders:run_video",
    ),
    Verb(
        name="mesh",
        summary="Extract meshes and write a page to turn them in a browser.",
        example="gof mesh --generator heads-gof --out head.glb",
        group="pictures and meshes",
        job="gof.shapes.jobs:MeshJob",
        run="gof.shapes.marching:run_meshes",
    ),
    Verb(
        name="edit",
        summary="Sweep one factor of a conditional generator's head to a sheet or a video.",
        example="gof edit --generator heads-cgof --factor expression --seed 3 --out sheet.png",
        group="pictures and meshes",
        job="gof.pictures.jobs:EditJob",
        run="gof.pictures.edits:run_edit",
    ),
    Verb(
        name="invert",
        summary="Find the head of a photograph: its style and pose, and a generator tuned to it.",
        example="gof invert --image me.jpg --align faces --generator heads-gof --out me/",
        group="pictures and meshes",
        job="gof.pictures.jobs:InvertJob",
        run="gof.pictures.inversion:run_invert",
    ),
    Verb(
        name="show-control",
        summary="Draw how a conditional generator obeys: sweeps, meshes, warping.",
        example=(
            "gof show-control --generator generator.yaml --head-model head_model.npz "
            "--statistics statistics.npz --out control/"
        ),
        group="pictures and meshes",
        job="gof.pictures.jobs:ShowControlJob",
        run="gof.pictures.control:run_show_control",
    ),
    Verb(
        name="view",
        summary="Show a generator in a browser, here or over SSH, with sliders for all of it.",
        example="gof view --generator heads-gof",
        group="pictures and meshes",
        job="gof.live.jobs:ViewJob",
        run="gof.live.view:run_view",
        needs="nothing",
    ),
    Verb(
        name="info",
        summary="Say what a generator is, or which come along.",
        example="gof info heads-cgof",
        group="pictures and meshes",
        job="gof.models.about:InfoJob",
        run="gof.models.about:run_info",
        needs="nothing",
    ),
    Verb(
        name="import",
        summary="Make a generator of the weights that the papers' authors gave away.",
        example="gof import gof --weights ema.pth --options options.txt --out imported/",
        group="pictures and meshes",
        job="gof.authors.jobs:ImportJob",
        run="gof.authors.weights:run_import",
    ),
)
