"""How many small faults of the code the tests find.

    python tests/mutation/run.py                          # everything, an hour or more for a core
    python tests/mutation/run.py --only gof/training/steps.py --sample 40

Each fault is put into a copy of the tree, where the tests of the file's room run until the first
fails. What is known already is not run again. `survivors.json` names faults that no test can or
should find, with the reason.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutation.mutants import Mutant, mutants  # noqa: E402

NAMED = Path(__file__).with_name("survivors.json")
ROOMS = ("training", "conditioning", "losses", "rendering")
# Sections are data, and what one sees of a training changes nothing; the pool has no losses.
PASSED_OVER = ("__init__.py", "settings.py", "watch.py", "pool.py")
# Imported once; the processes that run tests are forked from here and need not do it again.
HEAVY = (
    "hypothesis",
    "numba",
    "PIL.Image",
    "pydantic",
    "pytest",
    "pytest_timeout",
    "safetensors.torch",
    "scipy.ndimage",
    "torch.distributed",
    "torch._dynamo",
    "tqdm",
    "yaml",
)
LIMIT_S = 600.0  # of a room's tests without a fault; with one: so many times what they took then
LIMIT_TIMES, LIMIT_LEAST_S = 4, 60.0


def files(only: Sequence[str]) -> list[str]:
    """Files to change: all of the rooms, or those named."""
    found = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in sorted((ROOT / "gof" / room).glob("*.py"))
        if path.name not in PASSED_OVER
    ]
    return [file for file in found if not only or any(file.startswith(name) for name in only)]


def tests_of(file: str) -> list[str]:
    """The tests of a file's room: its own first, then small ones, those that start processes
    last."""
    room, name = Path(file).parent.name, Path(file).stem
    folder = ROOT / "tests" / "unit" / room

    def order(path: Path) -> tuple[bool, bool, int]:
        own = path.name == f"test_{name}.py"
        return not own, path.name == "test_distributed.py", path.stat().st_size

    return [str(path.relative_to(ROOT)) for path in sorted(folder.glob("test_*.py"), key=order)]


@cache
def digest(*paths: str | Path) -> str:
    """Hash of files' contents, as they were when the run began."""
    content = b"\0".join((ROOT / path).read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()[:16]


class Copy:
    """A copy of the tree in which faults are tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.limits: dict[str, float] = {}
        ignored = shutil.ignore_patterns("__pycache__", "mutation")
        for name in ("gof", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        for name in ("pyproject.toml", "config.yaml"):
            shutil.copy(ROOT / name, folder / name)
        compileall.compile_dir(folder / "gof", quiet=2)

    def sound(self, room: str) -> bool:
        """Whether a room's tests pass without a fault; sets how long they may take with one."""
        start = time.monotonic()
        passed = self.passes([f"tests/unit/{room}"], first=True)
        self.limits[room] = max(LIMIT_LEAST_S, LIMIT_TIMES * (time.monotonic() - start))
        return passed is True

    def passes(self, tests: Sequence[str], first: bool = False) -> bool | None:
        """Whether all tests pass; None where they take too long. first: without a fault."""
        child = os.fork()
        if child == 0:
            os.setsid()
            os._exit(self._pytest(tests, first))
        end = time.monotonic() + (LIMIT_S if first else self.limits[Path(tests[0]).parent.name])
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status) == 0
            time.sleep(0.02)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None

    def _pytest(self, tests: Sequence[str], first: bool) -> int:
        import pytest

        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        os.chdir(self.folder)
        os.environ["PYTHONPATH"] = str(self.folder)
        sys.path[:] = [str(self.folder), *(p for p in sys.path if Path(p or ".") != ROOT)]
        for name in [name for name in sys.modules if name.split(".")[0] in ("gof", "tests")]:
            del sys.modules[name]
        # Compiled tests may stay, the compiled fault may not.
        sys.dont_write_bytecode = not first
        return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]))

    def verdict(self, mutant: Mutant) -> str:
        """killed, survived or timeout."""
        path = self.folder / mutant.file
        before = path.read_bytes()
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()
        path.write_bytes(mutant.applied(before))
        try:
            passed = self.passes(tests_of(mutant.file))
        finally:
            path.write_bytes(before)
        return {True: "survived", False: "killed", None: "timeout"}[passed]


class Known:
    """Verdicts of earlier runs, a line of JSON each. A fault that was found stays found while its
    file is the same; one that was not is tried again when the tests change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verdicts: dict[str, dict[str, str]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self.verdicts[entry["key"]] = entry

    def __getitem__(self, mutant: Mutant) -> str | None:
        entry = self.verdicts.get(mutant.key)
        if entry is None or entry["source"] != self._source(mutant):
            return None
        if entry["verdict"] == "survived" and entry["tests"] != self._tests(mutant):
            return None
        return entry["verdict"]

    def add(self, mutant: Mutant, verdict: str) -> None:
        """Keep a verdict."""
        entry = {"key": mutant.key, "verdict": verdict}
        entry |= {"source": self._source(mutant), "tests": self._tests(mutant)}
        self.verdicts[mutant.key] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as handle:
            handle.write(json.dumps(entry) + "\n")

    @staticmethod
    def _source(mutant: Mutant) -> str:
        return digest(ROOT / mutant.file)

    @staticmethod
    def _tests(mutant: Mutant) -> str:
        shared = [str(path) for path in sorted((ROOT / "tests" / "unit").glob("*.py"))]
        return digest(*shared, *tests_of(mutant.file))


def chosen(only: Sequence[str], sample: int, seed: int) -> list[Mutant]:
    """All mutants, or a sample of each file: the same for the same file and seed, and part of every
    larger one."""
    found: list[Mutant] = []
    for file in files(only):
        every = list(mutants(ROOT, file))
        random.Random(f"{seed} {file}").shuffle(every)
        found += sorted(every[: sample or None], key=lambda m: m.start)
    return found


def table(results: Sequence[tuple[Mutant, str]], named: dict[str, str]) -> str:
    """Counts for each file, and the survivors; named: reasons by key."""
    lines = ["| file | mutants | killed | timeouts | survived | of which named | found |"]
    lines.append("|---|---|---|---|---|---|---|")
    groups = sorted({mutant.file for mutant, _ in results})
    rooms = sorted({str(Path(file).parent) for file in groups})
    for group in [*groups, *rooms]:
        own = [pair for pair in results if pair[0].file.startswith(group)]
        count = Counter(verdict for _, verdict in own)
        excused = sum(verdict == "survived" and m.key in named for m, verdict in own)
        share = (count["killed"] + count["timeout"]) / len(own)
        cells = (group, len(own), count["killed"], count["timeout"], count["survived"], excused)
        lines.append("| " + " | ".join(map(str, cells)) + f" | {share:.1%} |")
    survivors = [mutant for mutant, verdict in results if verdict == "survived"]
    lines += ["", "Survivors:", ""]
    for m in survivors:
        was, now = (" ".join(text.split()) for text in (m.was, m.now))
        reason = f" ({named[m.key]})" if m.key in named else ""
        lines.append(f"- {m.file}:{m.line} {m.where}, {m.kind}: `{was}` -> `{now}`{reason}")
    return "\n".join(lines) + "\n"


def measured(wanted: Sequence[Mutant], known: Known, minutes: float) -> list[tuple[Mutant, str]]:
    """Verdicts on mutants, until the time is over."""
    for name in HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("torch").set_num_threads(1)
    results: list[tuple[Mutant, str]] = []
    end = time.monotonic() + minutes * 60 if minutes else float("inf")
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for room in sorted({Path(mutant.file).parent.name for mutant in wanted}):
            if not copy.sound(room):
                sys.exit(f"tests/unit/{room}: fails without any fault: mend it first")
        for number, mutant in enumerate(wanted, 1):
            verdict = known[mutant]
            if verdict is None:
                if time.monotonic() > end:
                    print(f"out of time: {number - 1} of {len(wanted)}; the same call goes on")
                    break
                verdict = copy.verdict(mutant)
                known.add(mutant, verdict)
                print(f"{number}/{len(wanted)} {mutant.file}:{mutant.line} {verdict}", flush=True)
            results.append((mutant, verdict))
    return results


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], help="files or rooms, e.g. gof/training")
    parser.add_argument("--sample", type=int, default=0, help="mutants of each file, 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so long, 0 for never")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "mutation")
    options = parser.parse_args()
    wanted = chosen(options.only, options.sample, options.seed)
    results = measured(wanted, Known(options.out / "verdicts.jsonl"), options.minutes)
    named = {entry["key"]: entry["reason"] for entry in json.loads(NAMED.read_text())}
    text = table(results, named)
    (options.out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
