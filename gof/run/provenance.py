"""What a result depends on besides its inputs: the code of its stage and the versions of the
libraries."""

from __future__ import annotations

import ast
import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("torch", "numpy", "pandas", "pillow", "trimesh", "PyMCubes", "snakemake", "mlflow")
# Modules and rooms that cannot change a result, beside all `settings` and `jobs`: what they decide
# reaches a job as its settings or options, or stays outside its outputs.
NEUTRAL = (
    "gof",
    "gof.run.copying",
    "gof.run.events",
    "gof.run.job",
    "gof.run.mirror",
    "gof.run.outputs",
    "gof.run.place",
    "gof.run.provenance",
    "gof.run.spool",
    "gof.run.store",
    "gof.run.target",
    "gof.run.trainings",
    "gof.training.watch",
)

NEUTRAL_ROOMS = ("gof.cli", "gof.config", "gof.experiment")


def versions() -> dict[str, str]:
    """Versions of this package, Python and the libraries that results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in ("gof", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


@cache
def revision() -> dict[str, str]:
    """The git commit of this source tree and whether files differ from it; empty outside a clone or
    without git."""

    def git(*words: str) -> str:
        call = ["git", "-C", str(ROOT.parent), *words]
        return subprocess.run(call, capture_output=True, text=True, timeout=10, check=True).stdout

    if not (ROOT.parent / ".git").exists():
        return {}
    try:
        commit = git("rev-parse", "HEAD").strip()
        return {"commit": commit, "dirty": str(bool(git("status", "--porcelain").strip())).lower()}
    except (OSError, subprocess.SubprocessError):
        return {}


def module_file(module: str) -> Path | None:
    """The file of a module: of this package, or of a plugin that has been imported."""
    if module == "gof" or module.startswith("gof."):
        path = ROOT.joinpath(*module.split(".")[1:])
        candidates = (path / "__init__.py", path.with_suffix(".py"))
        return next((file for file in candidates if file.is_file()), None)
    found = sys.modules.get(module)
    return Path(found.__file__) if found and found.__file__ else None


@cache
def _parse(file: Path) -> ast.Module:
    """A file's code without docstrings."""
    tree = ast.parse(file.read_text(), str(file))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _imports(tree: ast.Module, module: str) -> set[str]:
    """Modules that a module imports anywhere, inside functions too, from this package and from the
    one it belongs to."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    own = {"gof", module.split(".")[0]}
    return {name for name in names if name.split(".")[0] in own and module_file(name)}


def neutral(module: str) -> bool:
    """Whether a module cannot change a result."""
    named = module.endswith((".settings", ".jobs"))
    return named or module in NEUTRAL or module.startswith(NEUTRAL_ROOMS)


def closure(module: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A module and all modules it imports from this package and its own, directly or not, neutral
    ones left out, and those in `without` with what only they import; sorted."""
    pending, seen = [module], set[str]()
    while pending:
        name = pending.pop()
        file = module_file(name)
        if name in seen or neutral(name) or name in without or file is None:
            continue
        seen.add(name)
        pending.extend(_imports(_parse(file), name))
    return tuple(sorted(seen))


@cache
def _meaning(file: Path) -> str:
    """Hash of a file's code without comments, docstrings and layout."""
    return hashlib.sha256(ast.dump(_parse(file)).encode()).hexdigest()


@cache
def code_hash(*modules: str, without: tuple[str, ...] = ()) -> str:
    """Hash of what these modules and their imports do, less those in `without`: comments,
    docstrings and layout do not count."""
    digest = hashlib.sha256()
    for name in sorted({name for module in modules for name in closure(module, without)}):
        file = module_file(name)
        if file is not None:
            digest.update(f"{name} {_meaning(file)}\n".encode())
    return digest.hexdigest()[:16]


def stage_code(conditional: bool, field: str) -> str:
    """Hash of the code that trains a stage of a model; field: the module of its field."""
    conditioner = ("gof.conditioning.conditioner",) if conditional else ()
    return code_hash("gof.training.stage", field, *conditioner)


def metric_code(module: str) -> str:
    """Hash of the code that measures a metric: of the module it is written in, and of what every
    metric runs."""
    return code_hash("gof.metrics.evaluate", module)
