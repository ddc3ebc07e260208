"""What is said of a generator."""

from pathlib import Path

import pytest

from gof.models.about import InfoJob, facts, run_info
from gof.models.packaged import names
from gof.run.files import InputError


def test_each_that_comes_along_has_a_line(capsys) -> None:
    run_info(InfoJob())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == names()
    assert "heads-gof   gof, film_siren 4 x 128, occupancy; 128 px, data set heads" in lines


def test_what_a_conditional_one_is_given_is_said() -> None:
    said = dict(facts(Path("heads-cgof")))
    assert said["model"].endswith("occupancy, given a 3DMM's coefficients")
    assert said["latent"].startswith("184 numbers: identity 80, expression 51")
    assert said["expression"].startswith("browDownLeft, ") and "jawOpen" in said["expression"]
    assert said["trained"] == "8,500 steps, seed 0, 16 px > 32 px > 64 px"
    assert Path(said["card"]).read_text().startswith("# heads-cgof")


def test_one_of_a_training_has_no_card(obedience, capsys) -> None:
    run_info(InfoJob(generator=obedience.generator("gof")))
    said = capsys.readouterr().out
    assert "card" not in said and "sha256" in said


def test_what_is_no_generator_is_one_line(tmp_path) -> None:
    with pytest.raises(InputError, match="no such generator"):
        run_info(InfoJob(generator=tmp_path / "gone.yaml"))
