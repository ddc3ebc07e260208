"""The rows of `gof bench` by their names: work, its ceiling, and what it should reach on two cores
in float32. One function may measure several."""

from __future__ import annotations

from collections.abc import Callable

from gof.bench import field_rows, image_rows, other_rows
from gof.bench.measure import Row
from gof.bench.place import Place

ROWS: dict[str, Callable[[Place], list[Row]]] = {
    "field-large": field_rows.field_large,
    "field-small": field_rows.field_small,
    "field-training": field_rows.field_training,
    "field-training-memory": field_rows.field_memory,
    "image": image_rows.image,
    "image-surface-psnr": image_rows.surface_quality,
    "training-step": image_rows.training_step,
    "training-step-default": image_rows.default_step,
    "mesh-256": other_rows.mesh_256,
    "mesh-512": other_rows.mesh_512,
    "normals": field_rows.normals_twice,
    "data": other_rows.data,
    "raster": other_rows.raster,
    "default-run": other_rows.default_run,
    "smoke-run": other_rows.smoke_run,
}
