import numpy as np
import pytest
from PIL import Image

from gof.run.columns import Column, described
from gof.run.files import write_json

ROWS = {
    "gof": {"fd_efficientnet": (30.0, 1.5), "sigma": (0.04, 0.003), "outward_fraction": (1.0, 0.0)},
    "pigan": {"fd_efficientnet": (20.0, 0.5), "sigma": (2.57, 0.2), "outward_fraction": (1.0, 0.0)},
}

RIGHT = {"accuracy_real": 0.75, "accuracy_fake": 0.5, "seen_above_held": 0.25}


COMPARISON = (
    Column("fd_efficientnet", "FD (EfficientNet)", rank=10),
    Column("sigma", "Σ ×1e4", rank=20),
    Column("outward_fraction", "outward", higher_is_better=True, rank=41),
)
CONTROL = (
    Column("ds_pose", "DS pose", higher_is_better=True, rank=12, conditional=True),
    Column("chamfer", "Chamfer", rank=20, conditional=True),
    Column("chamfer_cross", "Chamfer, other mesh", None, rank=21, conditional=True),
)
FACES = (
    Column("landmark_nme_percent", "landmark error (%)", rank=10),
    Column("depth_error_ratio", "depth error / mean head's", rank=20),
)
TRAINED = {
    "gof": {"integrator": "occupancy", "conditions": None},
    "pigan": {"integrator": "density", "conditions": {}},
}


def write(path, kind, numbers, settings=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = {"torch": "2", "python": "3"}
    record = {"kind": kind, "numbers": numbers, "wall_s": 60.0, "peak_mib": 100}
    write_json(path, {**record, "versions": versions, "settings": settings or {}})
    return path


def metric_rows(model, values):
    return [
        {"model": model, "metric": m, "value": v, "spread": s, "n": 8, "protocol": f"how {m}"}
        for m, (v, s) in values.items()
    ]


def history(first, last):
    return [
        {"step": s, "loss_g": 1.0 / s, "loss_d": 0.5, "sigma": 0.1 / s, "interval": 0.1, **RIGHT}
        for s in range(first, last + 1)
    ]


def make_training(folder, model, seed=0, shift=0.0, dataset="heads"):
    """Records of one training as the workflow lays them out."""
    base = folder / dataset / model / f"seed{seed}"
    values = {m: (v + shift, s) for m, (v, s) in ROWS[model].items()}
    profile = {"offset": [-0.1, 0.0, 0.1], "weight": [0.1, 0.8, 0.1]}
    columns = described("comparison", COMPARISON)
    numbers = {"rows": metric_rows(model, values), "profile": profile, "columns": columns}
    records = [write(base / "metrics" / "surface.json", "evaluate", numbers)]
    for stage, (first, last) in enumerate(((1, 10), (11, 14))):
        numbers = {"step": last, "resolution": 16, "history": history(first, last)}
        settings = {"models": {model: TRAINED[model]}}
        records.append(write(base / f"stage{stage}" / "stage.json", "train", numbers, settings))
    shown = {"seeds": [0, 7], "yaws": [-0.5, 0.5]}
    records.append(write(base / "samples" / "samples.json", "samples", shown))
    picture = np.full((30, 20, 3), 128, dtype=np.uint8)
    Image.fromarray(picture).save(base / "samples" / "sheet.png")
    return records


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def records(results):
    rows = metric_rows("real", {"fd_efficientnet": (5.0, 0.1)})
    numbers = {"rows": rows, "columns": described("comparison", COMPARISON[:1])}
    reference = write(results / "heads" / "reference" / "frechet.json", "evaluate", numbers)
    return [*make_training(results, "gof"), *make_training(results, "pigan"), reference]


@pytest.fixture
def training():
    return make_training


CGOF = {"chamfer": (0.01, 0.001), "chamfer_cross": (0.03, 0.0), "ds_pose": (9.0, 1.0)}
TRUNCATED = {"chamfer": (0.008, 0.001), "chamfer_cross": (0.02, 0.0), "ds_pose": (8.0, 1.0)}


@pytest.fixture
def obeying(results, records):
    """Records of a conditional model, its references and the face pipeline."""
    base = results / "heads"
    rows = metric_rows("cgof", CGOF) + metric_rows("cgof_truncated", TRUNCATED)
    floor = metric_rows("random_pairing", {"chamfer": (0.09, 0.0), "ds_pose": (1.0, 0.1)})
    fit = metric_rows("fit", {"landmark_nme_percent": (1.0, 0.0), "depth_error_ratio": (0.5, 0.0)})
    judge = metric_rows("regressor", {"landmark_nme_percent": (3.0, 0.0)})
    control, faces = described("control", CONTROL), described("faces", FACES)
    places = {
        "cgof/seed0/metrics/shape": (rows, control),
        "reference/shape": (floor, control),
        "reference/views/views": ([], []),
        "faces/fits/fits": (fit, faces),
        "faces/regressors/judge/regressor": (judge, faces[:1]),
    }
    more = [
        write(base / f"{place}.json", "any", {"rows": some, "columns": columns})
        for place, (some, columns) in places.items()
    ]
    return [*records, *more]
