"""The command line."""

from gof.cli.main import main

__all__ = ["main"]
