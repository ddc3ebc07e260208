"""`gof view` among visitors that mean it no good. Minutes, mostly of waiting for it to hang up."""

import os
import re
import socket
import time

import numpy as np
import pytest

pytest.importorskip("viser")

from tests.unit.live.tab import CAMERA, Tab, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
VISITS = 1000
MOST_MIB = 100  # that 1,000 visits may leave behind
RAW = (
    b"",
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),  # TLS
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"a" * 5000,
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n",  # and no end
)
FRAMES = (
    b"",
    b"\xc1",
    b"\x80",
    os.urandom(300),
    b"\x81\xa4type\xa5never",
    b"\x82\xa4type\xb3ViewerCameraMessage\xa4wxyz\xc0",
    b"\xdd\xff\xff\xff\xff",  # an array of 2^32 things
    "text, where bytes are due",
)


def visit(port, content) -> bytes:
    """Send something, and read what comes back at once."""
    with socket.create_connection(("127.0.0.1", port), 5) as there:
        there.settimeout(0.05)
        try:
            there.sendall(content)
            return there.recv(4096)
        except OSError:
            return b""


def garbage(port, frame) -> None:
    """A websocket that begins as it should."""
    tab = Tab.opened(port)
    tab.connection.send(frame)
    tab.connection.close()


def mib(process) -> int:
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) // 1024


def seen(port) -> np.ndarray:
    tab = Tab.opened(port)
    found = tab.rests(128)
    tab.connection.close()
    return found


def visited(process, port) -> None:
    before, memory = seen(port), mib(process)
    waiting = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(100)]  # and nothing
    for number in range(VISITS - len(waiting) - 200):
        answer = visit(port, RAW[number % len(RAW)])
        assert b"root:" not in answer
    for number in range(200):
        garbage(port, FRAMES[number % len(FRAMES)])
    half = Tab.opened(port)  # one that reads nothing while its head changes
    for number in range(200):
        half.send(CAMERA | {"position": (number / 400, 0.0, 1.0)})
    assert np.array_equal(seen(port), before)
    assert mib(process) - memory < MOST_MIB
    end = time.monotonic() + 60  # those who wait are hung up on
    while waiting:
        waiting[0].settimeout(max(0.1, end - time.monotonic()))
        assert waiting[0].recv(100) == b""
        waiting.pop(0).close()
    assert process.poll() is None


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
def test_a_thousand_hostile_visits_leave_it_as_it_was(tmp_path) -> None:
    with open(tmp_path / "said", "w") as said, served(said) as (process, port):
        visited(process, port)
    assert (tmp_path / "said").read_text() == ""
