"""A folder of photographs of one class of things, cropped alike: images, and nothing else."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from gof.data.settings import Photographs
from gof.data.source import Making, Source


def _make(making: Making) -> None:
    from gof.data.photographs import prepare

    cut, settings = None, making.settings
    if settings.align == "faces":
        from gof.morphable.alignment import aligned
        from gof.morphable.detector import find_weights, load

        # What another detector has left unfinished is not gone on with.
        making = replace(making, assets={**making.assets, **find_weights()})
        cut = aligned(load, settings.camera.fov_deg, settings.released)
    prepare(making, cut)


def _fingerprint(settings: Photographs) -> str:
    """Names, sizes and times of all files: another plan follows from another folder."""
    digest, top = hashlib.sha256(), Path(settings.folder)
    for place, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            status = os.stat(Path(place, name), follow_symlinks=False)
            where = os.path.relpath(place, top)
            digest.update(f"{where}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


SOURCE = Source("photographs", Photographs, ("images",), _make, fingerprint=_fingerprint)
