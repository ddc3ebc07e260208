"""Figures from the records of jobs: losses, interval and Sigma over training, weights along rays,
shapes side by side."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gof.experiment.config import Config
from gof.report.jobs import FiguresJob
from gof.report.records import Record, label, read_records
from gof.run.files import InputError, atomic_write
from gof.run.images import open_image
from gof.run.job import job
from gof.run.outputs import Writes

# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
}
SHOWN = ("colours", "shape", "depth", "normals")  # rows of a sheet, for each yaw
History = list[dict[str, float]]
Training = tuple[str, str, str]  # data set, model, seed


def histories(records: Sequence[Record]) -> dict[Training, History]:
    """The log of every training over all its stages, in the order of steps."""
    merged: dict[Training, dict[float, dict[str, float]]] = {}
    for record in (r for r in records if r.kind == "train"):
        steps = merged.setdefault(_training(record), {})
        steps.update({entry["step"]: entry for entry in record.numbers["history"]})
    return {key: [steps[step] for step in sorted(steps)] for key, steps in merged.items()}


def _training(record: Record) -> Training:
    return record.dataset, record.model, record.seed


def _label(training: Training, among: Iterable[Training]) -> str:
    """A training's model, with its data set and its seed where there are several."""
    dataset, model, seed = training
    datasets, _, seeds = (set(part) for part in zip(*among, strict=True))
    on = f" on {dataset}" if len(datasets) > 1 else ""
    return label(model) + on + (f", seed {seed}" if len(seeds) > 1 else "")


def growths(records: Sequence[Record], dataset: str, model: str) -> list[float]:
    """Steps at which the resolution of a model grew: the last step of every stage but the last."""
    own = (r for r in records if r.kind == "train" and (r.dataset, r.model) == (dataset, model))
    return sorted({float(r.numbers["step"]) for r in own})[:-1]


def _curve(axes: Axes, history: History, name: str, style: Mapping[str, Any]) -> None:
    points = [(entry["step"], entry[name]) for entry in history if name in entry]
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=style["color"], ls=style["ls"], label=style["label"])


def _styles(trainings: Sequence[Training]) -> dict[Training, dict[str, Any]]:
    """A colour for each model on a data set, a line style for each seed."""
    models = list(dict.fromkeys(training[:2] for training in trainings))
    seeds = list(dict.fromkeys(seed for *_, seed in trainings))
    return {
        training: {
            "color": COLOURS[models.index(training[:2]) % len(COLOURS)],
            "ls": LINES[seeds.index(training[2]) % len(LINES)],
            "label": _label(training, trainings),
        }
        for training in trainings
    }


# Rows of the figure of losses: what it shows, and its curves with their names in the log.
LOSSES = (
    ("loss", {"generator": "loss_g", "discriminator": "loss_d"}),
    ("R1 term", {"R1": "r1"}),
    (
        "discriminator is right",
        {
            "of reals": "accuracy_real",
            "of fakes": "accuracy_fake",
            "training above held-out": "seen_above_held",
        },
    ),
)
CHANCE = {"loss": 2 * np.log(2), "discriminator is right": 0.5}  # of a discriminator that guesses


def losses(records: Sequence[Record]) -> Figure:
    """Losses of generator and discriminator, the R1 term, and how often the discriminator is right,
    a column of panels for each model on a data set; dotted: one that guesses."""
    logs = histories(records)
    models = list(dict.fromkeys(training[:2] for training in logs))
    size = 3.4 * len(models) + 0.6, 2.1 * len(LOSSES) + 0.4
    figure, panels = plt.subplots(
        len(LOSSES), len(models), figsize=size, sharex="col", sharey="row", squeeze=False
    )
    for column, model in enumerate(models):
        trainings = [training for training in logs if training[:2] == model]
        for axes, (what, curves) in zip(panels[:, column], LOSSES, strict=True):
            for number, training in enumerate(trainings):
                for colour, (part, name) in zip(COLOURS, curves.items(), strict=False):
                    style = {"color": colour, "ls": LINES[number % len(LINES)]}
                    shown = part if number == 0 else None
                    _curve(axes, logs[training], name, {**style, "label": shown})
            for step in growths(records, *model):
                axes.axvline(step, color="0.7", lw=0.8, zorder=0)
            if what in CHANCE:
                axes.axhline(CHANCE[what], color="0.5", ls=":", lw=0.8, zorder=0)
        panels[0, column].set_title(_label((*model, ""), [(*m, "") for m in models]))
        panels[-1, column].set_xlabel("step")
    for axes, (what, _) in zip(panels[:, 0], LOSSES, strict=True):
        axes.set_ylabel(what)
    for row in panels:
        if drawn := [axes for axes in row if axes.get_legend_handles_labels()[0]]:
            drawn[-1].legend()
    return figure


def interval(records: Sequence[Record]) -> Figure:
    """Half-width of the interval (models that have one) and Sigma over training."""
    logs = histories(records)
    shells = {r.model for r in records if r.integrator == "occupancy"}
    styles = _styles(list(logs))
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.6))
    for key, history in logs.items():
        if key[1] in shells:
            _curve(left, history, "interval", styles[key])
        _curve(right, history, "sigma", styles[key])
    left.set(
        xlabel="step", ylabel="half-width (camera radii)", title="sampled interval", ylim=(0, None)
    )
    right.set(xlabel="step", ylabel="Σ ×1e4", title="spread of the weights")
    right.set_yscale("log")
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return figure


def weights(records: Sequence[Record]) -> Figure:
    """Mean rendering weight along rays around the weighted depth."""
    profiles = {_training(r): r.numbers["profile"] for r in records if "profile" in r.numbers}
    if not profiles:
        raise InputError(
            "figures: no surface.json with a `profile`: run `gof evaluate --metric surface`"
        )
    styles = _styles(list(profiles))
    figure, axes = plt.subplots(figsize=(4.2, 2.8))
    for key, profile in profiles.items():
        style = styles[key]
        axes.plot(
            profile["offset"],
            profile["weight"],
            color=style["color"],
            ls=style["ls"],
            label=style["label"],
        )
    axes.set(xlabel="distance from the weighted depth (camera radii)", ylabel="share of the weight")
    axes.set_ylim(0, None)
    axes.legend()
    return figure


def shapes(records: Sequence[Record]) -> Figure:
    """The sample sheets of all models side by side, same latents, same layout; of several trainings
    the first."""
    first = {(r.dataset, r.model): r for r in reversed(records) if r.kind == "samples"}
    sheets = [(r, r.path.parent / "sheet.png") for r in records if r in first.values()]
    pictures = [np.asarray(open_image(path)) for _, path in sheets]
    if not pictures:
        raise InputError("figures: no samples.json among the records: run `gof samples`")
    height, width = pictures[0].shape[:2]
    size = (3.6 * len(pictures), 3.6 * height / width + 0.3)
    figure, panels = plt.subplots(1, len(pictures), figsize=size, squeeze=False)
    trainings = [_training(record) for record, _ in sheets]
    for axes, (record, _), picture in zip(panels[0], sheets, pictures, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(_label(_training(record), trainings))
        _say_what_is_where(axes, record, picture.shape)
        axes.tick_params(axis="y", labelleft=axes is panels[0, 0])
    return figure


def _say_what_is_where(axes: Axes, record: Record, shape: tuple[int, ...]) -> None:
    """Name the heads above a sheet's columns and, at its left, the yaw and what its rows show."""
    seeds, yaws = (record.numbers.get(name, []) for name in ("seeds", "yaws"))
    rows = [
        f"yaw {yaw or 0:g} rad  {what}" if what == SHOWN[0] else what
        for yaw in yaws
        for what in SHOWN
    ]
    for axis, names, extent in ((axes.xaxis, seeds, shape[1]), (axes.yaxis, rows, shape[0])):
        middles = (np.arange(len(names)) + 0.5) * extent / max(len(names), 1)
        axis.set_ticks(middles, [str(name) for name in names])
    axes.tick_params(length=0, labelsize=6, labelbottom=False, labeltop=True)
    axes.spines[:].set_visible(False)


def png(figure: Figure, note: str) -> bytes:
    """A figure as PNG, stamped with the note if there is one; the bytes depend on nothing but what
    is drawn."""
    if note:
        figure.supxlabel(note, color="0.45", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def run_figures(config: Config, wanted: FiguresJob) -> None:
    """Draw all figures into the folder `wanted.out`. Raises InputError when a record is missing or
    damaged."""
    paths, out = wanted.records, wanted.out
    inputs = {str(path): path for path in paths}
    with job(out / "figures.json", "figures", config, inputs, Writes(fills=True)) as running:
        records = read_records(paths)
        drawn = {"losses": losses, "interval": interval, "weights": weights, "shapes": shapes}
        with plt.rc_context(STYLE):
            for name, draw in drawn.items():
                atomic_write(out / f"{name}.png", png(draw(records), config.note))
                running.artifact(out / f"{name}.png")
