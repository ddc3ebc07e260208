"""The default data set and its 3DMM, built from a CC0 asset."""
