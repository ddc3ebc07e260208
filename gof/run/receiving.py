"""The one receiver of bytes from elsewhere: so many and no more, in so much time and no more."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import urlparse

from tqdm import tqdm

SILENCE_S = 30.0  # the longest wait for a byte
SLOWEST = 20_000  # bytes a second below which a transfer is given up
PIECE = 2**16
PARTIAL, RANGE_REFUSED = 206, 416  # HTTP
PAGE = "a web page came, not the file: a limit on downloads, or something to agree to"


class NotReceived(Exception):
    """A transfer brought no file; the text says why."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Goes where it is sent, but not from https to anything less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See urllib."""
        if urlparse(req.full_url).scheme == "https" != urlparse(newurl).scheme:
            raise NotReceived(f"sent on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def patience(size: int) -> float:
    """Seconds that a transfer of so many bytes may take."""
    return SILENCE_S + size / SLOWEST


def receive(url: str, path: Path, most: int) -> None:
    """Write what an address gives into a file. What an earlier call left there is gone on with,
    where the server says that it still gives the same file.

    Raises NotReceived for an address that gives nothing, a web page in place of a file, more than
    `most` bytes, or too little too slowly; what has come until then stays for another call.
    """
    until = time.monotonic() + patience(most)
    start, validator = _begun(url, path)
    going_on = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
    try:
        asked = urllib.request.Request(url, headers=going_on)
        answer = urllib.request.build_opener(_NoDowngrade).open(asked, timeout=SILENCE_S)
    except NotReceived:
        raise
    except (OSError, ValueError, HTTPException) as error:  # no host, HTTP status, bad address
        if getattr(error, "code", None) == RANGE_REFUSED:
            forget(path)
        raise NotReceived(str(getattr(error, "reason", error))) from None
    with answer:
        if answer.headers.get_content_type() == "text/html":
            raise NotReceived(PAGE)
        if not _goes_on(answer, start):
            start = 0
            _begin(url, path, answer)
        with open(path, "r+b" if start else "wb") as handle:
            handle.seek(start)
            _copy(answer, handle, most, until)
    with open(path, "rb") as handle:
        if handle.read(PIECE).lstrip().lower().startswith((b"<!doctype html", b"<html")):
            forget(path)
            raise NotReceived(PAGE)


def forget(path: Path) -> None:
    """Throw away what has come of a file."""
    for own in (path, _origin(path)):
        own.unlink(missing_ok=True)


def _origin(path: Path) -> Path:
    """Beside a file that is being received: its address, and how the server names this version."""
    return path.with_name(f"{path.name}.from")


def _begun(url: str, path: Path) -> tuple[int, str]:
    """How many bytes of an address have come already, and of which version."""
    try:
        before, validator = _origin(path).read_text().splitlines()
    except (OSError, ValueError):
        return 0, ""
    usable = path.is_file() and before == url
    return (path.stat().st_size, validator) if usable else (0, "")


def _begin(url: str, path: Path, answer: HTTPResponse) -> None:
    forget(path)
    validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    if validator and not validator.startswith("W/"):  # a weak one names no bytes
        _origin(path).write_text(f"{url}\n{validator}")


def _goes_on(answer: HTTPResponse, start: int) -> bool:
    told = str(answer.headers.get("Content-Range", ""))
    return bool(start) and answer.status == PARTIAL and told.startswith(f"bytes {start}-")


def _copy(answer: HTTPResponse, into: BinaryIO, most: int, until: float) -> None:
    count, told = into.tell(), answer.headers.get("Content-Length")
    total = count + int(told) if told is not None and told.isdigit() else None
    bar = tqdm(total=total, initial=count, unit="B", unit_scale=True, disable=None, leave=False)
    with bar:
        while True:
            try:
                # Not `read`, which waits until all it is asked for has come.
                piece = answer.read1(PIECE) if hasattr(answer, "read1") else answer.read(PIECE)
            except (TimeoutError, ConnectionError, HTTPException) as error:
                raise NotReceived(f"connection lost after {count:,} bytes: {error}") from None
            if not piece:
                break
            count += len(piece)
            if count > most:
                raise NotReceived(f"more than {most:,} bytes came")
            if time.monotonic() > until:
                raise NotReceived(f"only {count:,} bytes came in {patience(most):.0f} s")
            into.write(piece)
            bar.update(len(piece))
    if total is not None and count < total:
        raise NotReceived(f"connection lost after {count:,} of {total:,} bytes")
