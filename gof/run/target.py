"""What `--out` names: a file or a folder."""

from __future__ import annotations

from pathlib import Path


class Target(str):
    """A place to write to, as it was typed: a slash at its end, which a Path forgets, makes it a
    folder."""


def placed(out: str | Path, usual: str, *endings: str) -> Path:
    """The file to write: `out` itself, or the file `usual` in it where it is a folder (one that
    exists, ends in a slash or has no ending).

    endings: those there are besides that of `usual`. Raises InputError for any other.
    """
    from gof.run.files import InputError

    path, known = Path(out), (Path(usual).suffix, *endings)
    if str(out).endswith("/") or path.is_dir() or not path.suffix:
        return path / usual
    if path.suffix not in known:
        raise InputError(
            f"--out: {path.name}: known endings are {', '.join(known)}; a folder ends in /"
        )
    return path
