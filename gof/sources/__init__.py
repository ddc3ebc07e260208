"""Where data sets come from: a file for each source, found by `gof.sources.registry`.

They are imported with the configuration; what computes is imported where it is called.
"""
