"""Where the files of a published set lie: in the user's folder, or downloaded and unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from gof.data.download import default_cache, resolve
from gof.data.source import Making
from gof.run.archives import Limits, unpack
from gof.run.files import InputError, one_at_a_time, read_json, say

LARGER = 20  # times an archive's own size may come out of it, and some
LEAST = 2**30


class Places:
    """The folders and files in which a set is looked for."""

    def __init__(self, roots: list[Path]) -> None:
        self.roots = roots

    def find(self, name: str, folder: bool = False) -> Path:
        """The file or folder of this name, the one that lies highest. Raises InputError where
        there is none."""
        found = self.all(name, folder)
        if not found:
            kind = "folder" if folder else "file"
            raise InputError(f"{self}: no {kind} {name} in it: is the set whole, and this one?")
        return found[0]

    def all(self, pattern: str, folder: bool = False) -> list[Path]:
        """All files or folders of this name or pattern, those that lie higher first, then by
        name."""
        found = []
        for root in self.roots:
            if root.is_file():
                found += [root] if root.match(pattern) and not folder else []
            else:
                found += [path for path in root.rglob(pattern) if path.is_dir() == folder]
        return sorted(found, key=lambda path: (len(path.parts), path.as_posix()))

    def __str__(self) -> str:
        return ", ".join(map(str, self.roots))


def places(making: Making) -> Places:
    """The user's folder where the settings name one, else what was downloaded; archives are
    unpacked into the cache, once. Raises InputError for a folder that is not there."""
    folder = making.settings.folder
    if folder is None:
        return Places([_unpacked(record) for record in making.assets.values()])
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder: give the one in which the set lies unpacked")
    return Places([Path(folder), *(resolve(record) for record in making.assets.values())])


def _unpacked(record: Path) -> Path:
    """The file of a download, or the folder into which it was unpacked."""
    file = resolve(record)
    if not zipfile.is_zipfile(file):
        return file
    target = default_cache() / "unpacked" / f"{file.stem}-{read_json(record)['sha256'][:12]}"
    with one_at_a_time(target.with_name(f".{target.name}.lock")):
        if not target.is_dir():
            say(f"unpacking {file.name} into {target}")
            unpack(file, target, Limits(size=LARGER * file.stat().st_size + LEAST))
    return target


def read_lines(path: Path, most: int = 2**26) -> list[str]:
    """The lines of a text of a set. Raises InputError for one that is too large or no text."""
    try:
        if path.stat().st_size > most:
            raise InputError(f"{path}: more than {most:,} bytes: not the file of that name")
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text: not the file of that name") from None
