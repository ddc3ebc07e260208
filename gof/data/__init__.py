"""Data sets on disk, photographs, assets."""
