"""Generative Occupancy Fields: 3D shapes learnt from single-view images."""

__version__ = "0.1.0"
