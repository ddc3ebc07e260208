"""`gof view`: what it says before there is a page."""

import importlib.util
import socket
import subprocess
import sys

import pytest

import gof.cli.main as cli
from gof.live import view
from gof.live.jobs import ViewJob
from gof.live.view import address, free, run_view
from gof.run.files import InputError, MachineError

needs_viser = pytest.mark.skipif(
    importlib.util.find_spec("viser") is None, reason="needs pip install gof[view]"
)


def job(**changes):
    return ViewJob(generator="heads-gof", **changes)


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setattr(view, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"pip install 'gof\[view\]'$"):
        run_view(job())


def test_the_verb_is_known_without_the_package() -> None:
    code = "import sys; sys.modules['viser'] = None; import gof.live.view, gof.live.drawing"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_taken_port_is_one_line(capsys) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MachineError, match=rf"--port: {port} is taken"):
            free("127.0.0.1", port)
        with pytest.raises(SystemExit) as ended:
            cli.main(["view", "--generator", "heads-gof", "--port", str(port)])
    said = capsys.readouterr().err
    assert ended.value.code == 4 and said.count("\n") == 1
    free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(InputError, match=r"--host: .*no address of this machine"):
            free(host, 0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"truncation": 1.5}, "--truncation: from 0 to 1, got 1.5"),
        ({"truncation": float("nan")}, "--truncation: from 0 to 1"),
        ({"resolution": 0}, "--resolution: from 1 to 1024 pixels, got 0"),
        ({"port": 70000}, "--port: from 0 to 65535, got 70000"),
        ({"seed": -1}, "--seed: from 0 to 999999999, got -1"),
    ],
)
@needs_viser
def test_options_that_mean_nothing_are_refused(changes, text) -> None:
    with pytest.raises(InputError, match=text):
        run_view(job(**changes))


@needs_viser
def test_a_generator_that_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such generator"):
        run_view(ViewJob(generator=tmp_path / "none.yaml", port=0))


def test_the_line_says_how_to_get_there() -> None:
    line = address("127.0.0.1", 8080)
    assert line.startswith("http://127.0.0.1:8080 ")
    assert f"ssh -N -L 8080:127.0.0.1:8080 {socket.gethostname()}" in line
    assert address("::1", 80).startswith("http://[::1]:80 ")
    assert "ssh -N -L 80:[::1]:80 " in address("::1", 80)
    assert "open to whoever reaches" in address("0.0.0.0", 80)
