"""The sources that data sets may name: modules of this room that define SOURCE, and plugins'."""

from __future__ import annotations

from gof.config.registry import Registry
from gof.data.source import Source

SOURCES: Registry[Source] = Registry("source of data", "gof.sources", "SOURCE")
