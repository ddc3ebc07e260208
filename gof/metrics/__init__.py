"""Measurements of generators from their exported weights."""
