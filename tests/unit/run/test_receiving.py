"""Bytes from servers on this machine that do what they should not."""

import http.server
import threading
import time

import pytest

from gof.run import receiving
from gof.run.receiving import NotReceived, patience, receive


class Server(http.server.BaseHTTPRequestHandler):
    """/endless, /drip (a byte every 50 ms), /long (more than it says), /cut, /moved, /good."""

    def do_GET(self):
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/good")
        if self.path in ("/good", "/cut"):
            self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            if self.path == "/good":
                self.wfile.write(bytes(1000))
            elif self.path == "/cut":
                self.wfile.write(bytes(500))
            elif self.path == "/endless":
                while True:
                    self.wfile.write(bytes(10_000))
            elif self.path == "/drip":
                for _ in range(200):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
        except OSError:
            pass  # whoever asked has heard enough

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("page", ["good", "moved"])
def test_what_comes_whole_is_taken(server, tmp_path, page) -> None:
    receive(f"{server}/{page}", tmp_path / "file", 1000)
    assert (tmp_path / "file").read_bytes() == bytes(1000)


def test_an_endless_body_ends_where_it_is_too_long(server, tmp_path) -> None:
    with pytest.raises(NotReceived, match="more than 50,000 bytes came"):
        receive(f"{server}/endless", tmp_path / "file", 50_000)
    assert (tmp_path / "file").stat().st_size <= 50_000


def test_a_body_cut_short_is_no_file(server, tmp_path) -> None:
    with pytest.raises(NotReceived, match=r"after 500 (of 1,000 )?bytes"):
        receive(f"{server}/cut", tmp_path / "file", 1000)


def test_a_server_that_drips_is_given_up(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(receiving, "SILENCE_S", 0.5)
    monkeypatch.setattr(receiving, "SLOWEST", 1e9)
    start = time.monotonic()
    with pytest.raises(NotReceived, match="bytes came in"):
        receive(f"{server}/drip", tmp_path / "file", 1000)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("asked", "target"),
    [("https://a.org/x", "http://a.org/x"), ("https://a.org/x", "ftp://a.org/x")],
)
def test_a_redirect_does_not_leave_https(asked, target) -> None:
    handler = receiving._NoDowngrade()
    request = receiving.urllib.request.Request(asked)
    with pytest.raises(NotReceived, match="which is not https"):
        handler.redirect_request(request, None, 302, "", {}, target)
    secure = handler.redirect_request(request, None, 302, "", {}, "https://b.org/y")
    assert secure.full_url == "https://b.org/y"


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1/x", "http://[bad/x"])
def test_addresses_that_give_nothing_are_told(tmp_path, address) -> None:
    with pytest.raises(NotReceived, match=r"\w"):
        receive(address, tmp_path / "file", 10)


def test_more_bytes_may_take_longer() -> None:
    assert patience(0) == receiving.SILENCE_S
    assert patience(10 * receiving.SLOWEST) == receiving.SILENCE_S + 10
