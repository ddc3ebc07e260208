from itertools import combinations
from pathlib import Path

import pytest

from gof.conditioning import train
from gof.conditioning.conditioner import FaceFiles
from gof.conditioning.jobs import TrainJob
from gof.conditioning.train import run_train
from gof.experiment.config import Config
from gof.run.files import InputError

FILES = {name: Path(name) for name in ("pool", "statistics", "regressor")}
CONFIG = Config()


@pytest.fixture
def stages(monkeypatch):
    given = []
    monkeypatch.setattr(train, "run_stage", lambda *arguments: given.append(arguments))
    return given


def job(**files) -> TrainJob:
    return TrainJob(model="own", data=Path("data"), out=Path("out"), **files)


def test_one_process_trains_unless_more_are_asked_for() -> None:
    assert job().processes == 1


def test_a_conditional_model_is_trained_with_its_files_and_another_without(stages) -> None:
    run_train(CONFIG, job())
    run_train(CONFIG, job(**FILES))
    assert stages == [
        (CONFIG, job(), None),
        (CONFIG, job(**FILES), FaceFiles(*FILES.values())),
    ]


@pytest.mark.parametrize("some", [*combinations(FILES, 1), *combinations(FILES, 2)])
def test_some_of_the_files_alone_are_refused(stages, some) -> None:
    with pytest.raises(InputError, match="--pool, --statistics and --regressor go together"):
        run_train(CONFIG, job(**{name: FILES[name] for name in some}))
    assert stages == []
