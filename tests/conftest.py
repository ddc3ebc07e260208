import os
import signal

import pytest

from gof.run.job import FOLLOWED
from tests.workflow import copied, finished, here, make_commit

__all__ = ["copied", "finished", "here", "make_commit"]


def pytest_configure(config: pytest.Config) -> None:
    """Where tests run side by side (`pytest -n 2`), a thread for each: torch would take all cores
    for every one of them."""
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def no_tracker():
    """Jobs of tests start no process that mirrors them; what they write is all there is to see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLLOWED, "1")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("GOF_RUNTIME", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def hangups():
    """Processes of tests end at a hangup, though the tests themselves were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
