"""The command line: `gof VERB ...`. Every rule of the workflow is one such call, and each works by
hand as well."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from gof import __version__
from gof.cli.registry import VERBS, Verb

DEFECT, USAGE, BAD_INPUT, MACHINE, NUMERICS = 1, 2, 3, 4, 5
EXITS = """exit status: 0 done, 1 a defect of the program, 2 wrong usage, 3 bad input, 4 the machine
(disk, memory, network, device), 5 numbers that are not finite, 75 stopped early and goes on when
called again, 129, 130, 138 and 143 interrupted (HUP, INT, USR1, TERM)"""
GROUPS = ("data", "faces", "training", "pictures and meshes", "measuring", "reports", "upkeep")


class Top(argparse.ArgumentParser):
    """The options before the verb; what comes after it is the verb's own."""

    def __init__(self) -> None:
        super().__init__(
            "gof", "gof [--debug] [--threads N] [--device D] VERB [OPTIONS]", allow_abbrev=False
        )
        self.add_argument("--version", action="version", version=f"gof {__version__}")
        self.add_argument("--debug", action="store_true")
        self.add_argument("--threads", type=int)
        self.add_argument("--device", choices=("auto", "cpu", "cuda"))
        self.add_argument("verb", nargs="?")
        self.add_argument("words", nargs=argparse.REMAINDER)

    def format_help(self) -> str:
        """All verbs, a line each, in the groups they belong to."""
        known = VERBS.all().values()
        names = dict.fromkeys([*GROUPS, *(verb.group for verb in known)])
        blocks = [
            "\n".join(
                [f"{group}:", *(f"  {v.name:14}{v.summary}" for v in known if v.group == group)]
            )
            for group in names
        ]
        return "\n\n".join(
            [
                self.format_usage().strip(),
                "Generative Occupancy Fields: one verb for each step of the pipeline.",
                *blocks,
                OPTIONS,
                f"example: gof train --help\n{EXITS}\n",
            ]
        )


OPTIONS = """options, before the verb:
  --threads N   CPU threads (default: OMP_NUM_THREADS, else all cores)
  --device D    cpu, cuda, or auto: a GPU where there is one (default: GOF_DEVICE, else auto)
  --debug       show tracebacks (or set GOF_DEBUG=1)
  --version     show the version
  --help        show this, or after a verb what it takes"""


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _diagnosis(error: Exception) -> tuple[int, str]:
    """Exit status and the one line for an error."""
    from gof.config.errors import ConfigError
    from gof.run.files import InputError, MachineError
    from gof.run.memory import lacks_memory

    if isinstance(error, MachineError):
        return MACHINE, str(error)
    if isinstance(error, InputError | ConfigError):
        return BAD_INPUT, str(error)
    if isinstance(error, ArithmeticError):
        return NUMERICS, str(error)
    if lacks_memory(error):
        return (
            MACHINE,
            "out of memory: a smaller batch or resolution, or fewer jobs at once, may do",
        )
    if isinstance(error, OSError):
        return MACHINE, f"{error.filename or 'system'}: {error.strerror or error}"
    at = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return (
        DEFECT,
        f"{type(error).__name__}: {text} ({at.filename}:{at.lineno}; GOF_DEBUG=1 for more)",
    )


def _fail(status: int, line: str) -> NoReturn:
    print(f"gof: error: {line}", file=sys.stderr, flush=True)
    raise SystemExit(status) from None


def _do(verb: Verb, words: Sequence[str]) -> None:
    from gof.cli.configuration import configuration
    from gof.cli.parsing import UsageError, parsed

    try:
        call = parsed(verb, words)
    except UsageError as error:
        _fail(USAGE, str(error))
    if call is None:
        return
    processes = getattr(call.job, "processes", 1)
    if processes > 1 and "RANK" not in os.environ:
        from gof.cli.ranks import run_ranks

        run_ranks(processes)
    given: tuple[Any, ...] = (call.job,)
    if verb.needs != "nothing":
        given = (configuration(verb, call.config), call.job)
    verb.function()(*given)


def _found(name: str) -> Verb:
    """The verb of this name. Ends the process where there is none."""
    if (verb := VERBS.find(name)) is not None:
        return verb
    from difflib import get_close_matches

    near = get_close_matches(name, VERBS.all(), 1)
    meant = f"did you mean {near[0]}? " if near else ""
    _fail(USAGE, f"no verb {name!r}: {meant}gof --help lists them")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb. Ends the process with one of `EXITS` unless all is well."""
    debug = bool(os.environ.get("GOF_DEBUG"))
    try:
        options = Top().parse_args(arguments)
        debug = debug or options.debug
        if options.threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(options.threads)  # torch reads it when imported
        if options.device is not None:
            os.environ["GOF_DEVICE"] = options.device
        # Torch's threads wait for work in a busy loop, for 10 ms, on cores that the field's own
        # threads need; for 0.3 ms is long enough from one operation to the next.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        signal.signal(signal.SIGTERM, _terminated)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(signal.SIGHUP, _terminated)
        if options.verb is None:
            _fail(USAGE, "no VERB: gof --help lists them")
        _do(_found(options.verb), options.words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # who reads, say `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    except Exception as error:
        if debug:
            raise
        _fail(*_diagnosis(error))


if __name__ == "__main__":
    main()
