"""Several processes that do one call together, by torchrun's library, with an end that tells what
happened: its own command answers every end with the status 1 and a page of text."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from typing import NoReturn

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from gof.run.files import say

STARTS = 4  # of all processes together, where one of them is killed each time
CLOSING_S = 300  # how long processes may take to save when they are told to stop
SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGUSR1"


def run_ranks(processes: int) -> NoReturn:
    """Do this very call in several processes, which find each other by their environment, and end
    with their status. Where one is killed, all begin again, from their last checkpoint."""
    logging.disable(logging.CRITICAL)  # of this process, which does nothing else
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = SIGNALS
    for start in range(1, STARTS + 1):
        status = _together(processes)
        if status != -signal.SIGKILL or start == STARTS:
            break
        say(
            f"a process was killed: all start again ({start} of {STARTS - 1}), from where they were"
        )
    raise SystemExit(status if status >= 0 else 128 - status)


def _together(processes: int) -> int:
    """Exit status of the processes, that of a signal negative."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        signals_to_handle=SIGNALS,
        shutdown_timeout=CLOSING_S,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "gof", *sys.argv[1:])
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        codes = sorted(failure.exitcode for failure in error.failures.values())
        if -signal.SIGKILL in codes:  # the others then lose their partner, or are told to stop
            return -signal.SIGKILL
        return next((code for code in codes if code > 0), codes[0])
    return 0
