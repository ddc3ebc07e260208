"""The kinds of fields a model may name: a light file each, found by `gof.fields.registry`."""
