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

from gof import __version__
from gof.cli.verbs import VERBS

DEFECT, BAD_INPUT, MACHINE, NUMERICS = 1, 3, 4, 5
EXITS = """exit status: 0 done, 1 a defect of the program, 2 wrong usage, 3 bad input, 4 the machine
(disk, memory, network, device), 5 numbers that are not finite, 75 stopped early and goes on when
called again, 130 and 143 interrupted"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="gof",
        description="Generative Occupancy Fields: one verb for each step of the pipeline.",
        epilog=f"example: gof train --help\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gof {__version__}")
    top.add_argument("--debug", action="store_true", help="show tracebacks (or set GOF_DEBUG=1)")
    top.add_argument(
        "--threads", type=int, help="CPU threads (default: OMP_NUM_THREADS, else all cores)"
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (run, options) in VERBS.items():
        what, example = (part.strip() for part in (run.__doc__ or "").split("\n\n"))
        verb = verbs.add_parser(
            name,
            help=what,
            description=what,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for flag, settings in options:
            verb.add_argument(flag, **settings)
        verb.set_defaults(run=run)
    return top


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _diagnosis(error: Exception) -> tuple[int, str]:
    """Exit status and the one line for an error."""
    from gof.config.reading import ConfigError
    from gof.run.files import InputError, MachineError

    if isinstance(error, MachineError):
        return MACHINE, str(error)
    if isinstance(error, InputError | ConfigError):
        return BAD_INPUT, str(error)
    if isinstance(error, ArithmeticError):
        return NUMERICS, str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb. Ends the process with one of `EXITS` unless all is well."""
    options = parser().parse_args(arguments)
    if options.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # torch reads it when imported
    # Torch's threads wait for work in a busy loop, for 10 ms, on cores that the field's own threads
    # need; for 0.3 ms is long enough from one operation to the next.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        options.run(options)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if options.debug or os.environ.get("GOF_DEBUG"):
            raise
        status, line = _diagnosis(error)
        print(f"gof: error: {line}", file=sys.stderr, flush=True)
        raise SystemExit(status) from None


if __name__ == "__main__":
    main()
