"""A shell that has read the script completes calls."""

import shutil
import subprocess

import pytest

from gof.cli.completion import script
from gof.cli.registry import VERBS
from gof.models.packaged import names


def completed(line, folder):
    """What bash offers at the end of a line."""
    words = line.split(" ")
    listed = " ".join(f"'{word}'" for word in words)
    asked = f'COMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}; _gof; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", f"{script('bash')}\n{asked}"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gof sam", {"samples"}),
        ("gof --device cp", {"cpu"}),
        ("gof --device cpu sam", {"samples"}),
        ("gof samples --gen", {"--generator"}),
        ("gof samples --generator heads-c", {"heads-cgof"}),
        ("gof samples --generator mi", {"mine.yaml"}),
        ("gof prepare --align ", {"faces", "mine.yaml"}),
        ("gof download --fr", {"--from"}),
        ("gof video --path s", {"swing", "seeds"}),
        ("gof info he", set()),
        ("gof schema --conf", set()),
        ("gof train --conf", {"--config"}),
        ("gof nothing --x", set()),
    ],
)
def test_bash_offers(line, offered, tmp_path):
    (tmp_path / "mine.yaml").touch()
    assert completed(line, tmp_path) == offered


def test_all_verbs_are_offered(tmp_path):
    assert completed("gof ", tmp_path) == set(VERBS.all())
    assert set(names()) <= completed("gof mesh --generator ", tmp_path)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_reads_it(tmp_path):
    done = subprocess.run(["zsh", "-c", script("zsh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
