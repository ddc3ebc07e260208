"""`gof view`: a generator in a browser, here or over SSH."""

from __future__ import annotations

import errno
import socket
import threading
from importlib.util import find_spec

from gof.live.jobs import ViewJob
from gof.run.files import InputError, MachineError


def run_view(wanted: ViewJob) -> None:
    """Serve the page until the process is interrupted. Raises InputError for what cannot be shown,
    MachineError where viser is missing or the port is taken."""
    if find_spec("viser") is None:
        raise MachineError("gof view: needs the package viser: pip install 'gof[view]'")
    _checked(wanted)
    free(wanted.host, wanted.port)

    from gof.live.server import serve

    with serve(wanted) as port:
        print(address(wanted.host, port), flush=True)
        threading.Event().wait()


def address(host: str, port: int) -> str:
    """Where the page is, and how to reach it from elsewhere."""
    name = f"[{host}]" if ":" in host else host
    here = f"http://{name}:{port}"
    if host not in ("127.0.0.1", "localhost", "::1"):
        return f"{here} (open to whoever reaches this machine; ends with Ctrl-C)"
    tunnel = f"ssh -N -L {port}:{name}:{port} {socket.gethostname()}"
    return f"{here} (over SSH: {tunnel}, then the same address there; ends with Ctrl-C)"


def free(host: str, port: int) -> None:
    """Raise MachineError where something listens at a port or none of this machine's may, and
    InputError for an address that is not of this machine."""
    try:
        kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            line = f"--port: {port} is taken: choose another, or 0 for one that is free"
            raise MachineError(line) from None
        if error.errno == errno.EACCES:
            raise MachineError(f"--port: {port} is not ours to open: choose above 1023") from None
        raise InputError(f"--host: {host}: no address of this machine") from None


def _checked(wanted: ViewJob) -> None:
    """Raise InputError for options that mean nothing."""
    if not 0 <= wanted.truncation <= 1:
        raise InputError(f"--truncation: from 0 to 1, got {wanted.truncation:g}")
    if wanted.resolution is not None and not 1 <= wanted.resolution <= 1024:
        raise InputError(f"--resolution: from 1 to 1024 pixels, got {wanted.resolution}")
    if not 0 <= wanted.port < 2**16:
        raise InputError(f"--port: from 0 to 65535, got {wanted.port}")
    if not 0 <= wanted.seed < 10**9:
        raise InputError(f"--seed: from 0 to 999999999, got {wanted.seed}")
