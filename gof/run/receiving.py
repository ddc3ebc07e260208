"""The one receiver of bytes from elsewhere: so many and no more, in so much time and no more."""

from __future__ import annotations

import time
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, BinaryIO
from urllib.parse import urlparse

SILENCE_S = 30.0  # the longest wait for a byte
SLOWEST = 20_000  # bytes a second below which a transfer is given up
PIECE = 2**16


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


def receive(url: str, into: BinaryIO, most: int) -> None:
    """Write what an address gives into an open file.

    Raises NotReceived for an address that gives nothing, or more than `most` bytes, or too slowly.
    """
    until = time.monotonic() + patience(most)
    try:
        answer = urllib.request.build_opener(_NoDowngrade).open(url, timeout=SILENCE_S)
    except NotReceived:
        raise
    except (OSError, ValueError, HTTPException) as error:  # no host, HTTP status, bad address
        raise NotReceived(str(getattr(error, "reason", error))) from None
    with answer:
        _copy(answer, into, most, until)


def _copy(answer: HTTPResponse, into: BinaryIO, most: int, until: float) -> None:
    count, told = 0, answer.headers.get("Content-Length")
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
    if told is not None and told.isdigit() and count < int(told):
        raise NotReceived(f"connection lost after {count:,} of {int(told):,} bytes")
