"""Cameras, meshes before them, light: no faces, no networks."""
