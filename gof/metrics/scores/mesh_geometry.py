"""How smooth and compact a closed mesh is, free of its size: both are 1 for a sphere."""

from __future__ import annotations

import math

import igl
import numpy as np

RINGS = 2  # of neighbours that a vertex's curvature is fitted to


def mean_curvature(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Mean over the surface of the absolute mean curvature |H|, times the radius of the sphere of
    the same area.

    vertices float64 [v, 3], faces int64 [f, 3]. H is half the sum of the principal curvatures of
    quadrics fitted to the neighbourhoods of vertices (Panozzo et al. 2010, by libigl); vertices
    that libigl can fit none to are left out.
    """
    *_, first, second, bad = igl.principal_curvature(vertices, faces, RINGS, True)
    area = vertex_areas(vertices, faces)
    fitted = np.ones(len(vertices), bool)
    fitted[bad] = False
    curvature = np.abs(first + second) / 2
    mean = np.average(curvature[fitted], weights=area[fitted])
    return float(mean * math.sqrt(area.sum() / (4 * math.pi)))


def geodesic_distance(vertices: np.ndarray, faces: np.ndarray, sources: np.ndarray) -> float:
    """Mean distance along the surface from some vertices to all of it, over that of the sphere of
    the same area (a quarter of its circumference); exact on the triangles (Mitchell et al. 1987, by
    libigl)."""
    area, no_faces = vertex_areas(vertices, faces), np.zeros(0, np.int64)
    targets = np.arange(len(vertices))
    means = []
    for source in sources:
        start = np.array([source])
        way = igl.exact_geodesic(vertices, faces, start, no_faces, targets, no_faces)
        means.append(np.average(way, weights=area))
    return float(np.mean(means) / (math.pi / 2 * math.sqrt(area.sum() / (4 * math.pi))))


def vertex_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The share of the surface that belongs to each vertex, float64 [v]."""
    return np.asarray(igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_BARYCENTRIC).diagonal())
