"""A server on this machine that misbehaves in every way a server can: the first folder of an
address says how, its name which file."""

import http.server
import threading
import time
from contextlib import contextmanager

import pytest

PAGE = b"<!DOCTYPE html><html><title>Quota exceeded</title></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Half of what was promised (cut), half and then nothing (stall), a length that is too small
    (lie), 404 (missing), a page for people, said to be one (page) or not (hidden-page), another
    address (moved), other bytes of the same number (other), good on the third request (flaky)."""

    files: dict[str, bytes]
    requests: list[str]

    def do_GET(self):
        self.requests.append(self.path + self.headers.get("Range", ""))
        _, manner, name = self.path.split("/", 2)
        if manner == "missing" or (manner == "flaky" and len(self.requests) < 3):
            return self.send_error(404 if manner == "missing" else 503)
        content = self.files[name]
        if manner == "moved":
            self.send_response(302)
            self.send_header("Location", f"/good/{name}")
            return self.end_headers()
        if manner in ("page", "hidden-page"):
            content = PAGE
        if manner == "other":
            content = bytes(255 - byte for byte in content)
        start = self._start(len(content))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        kind = "text/html; charset=utf-8" if manner == "page" else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("ETag", '"one"')
        rest = content[start:]
        self.send_header("Content-Length", str(len(rest) // 2 if manner == "lie" else len(rest)))
        self.end_headers()
        self.wfile.write(rest[: (len(rest) + 1) // 2] if manner in ("cut", "stall") else rest)
        if manner == "stall":
            self.wfile.flush()
            time.sleep(3)

    def _start(self, length):
        asked = self.headers.get("Range", "")
        if not asked or self.headers.get("If-Range") != '"one"':
            return 0
        return min(int(asked.removeprefix("bytes=").rstrip("-")), length)

    def log_message(self, *_):
        pass


@contextmanager
def loopback_server():
    """address, files by name (to fill), requests so far."""
    handler = type("Own", (Handler,), {"requests": [], "files": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", handler.files, handler.requests
        running.shutdown()


@pytest.fixture
def loopback():
    """A server that runs as long as a test."""
    with loopback_server() as server:
        yield server
