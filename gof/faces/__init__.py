"""The head model: shape, colour, light, rasteriser, renders."""
