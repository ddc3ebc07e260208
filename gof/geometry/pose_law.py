"""The law that the poses of images follow."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gof.geometry.settings import Camera

SECTORS = 12  # of the circle
BEYOND = 3.0  # standard deviations from the median: poses that count for nothing


def fitted_law(camera: Camera, poses: Tensor) -> Camera:
    """The camera with the law that poses [n, 2] (yaw, pitch; radians) follow: all around and above
    one side where yaws fill the circle, else a Gaussian about their mean without those that lie far
    beyond it."""
    yaw, pitch = poses.double().unbind(-1)
    filled = torch.histc(yaw, SECTORS, -math.pi, math.pi)
    if bool((filled > len(yaw) / SECTORS / 4).all()):
        bounds = pitch.quantile(pitch.new_tensor([0.005, 0.995]))
        changes = {"law": "sphere", "elevation": tuple(_rounded(value) for value in bounds)}
        return camera.model_copy(update=changes)
    found = {}
    for name, values in (("yaw", yaw), ("pitch", pitch)):
        near = (values - values.median()).abs() <= BEYOND * values.std(unbiased=False)
        found[name] = _rounded(values[near].std(unbiased=False))
        found[f"{name}_mean"] = _rounded(values[near].mean())
    return camera.model_copy(update={"law": "gaussian", **found})


def _rounded(value: Tensor) -> float:
    return round(float(value), 3)
