"""Renders of cars with true depth, from CC BY models: a set like CARLA's without a form."""
