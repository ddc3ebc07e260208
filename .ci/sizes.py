"""No function over 60 lines without its docstring, none that takes **kwargs; no file over 300
lines, half of them at most 120."""

import ast
import statistics
import sys
from pathlib import Path

LONGEST = 60
LONGEST_FILE, MEDIAN = 300, 120


def faults(path: Path) -> list[str]:
    """Functions of a file that are too long or pass keywords through."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        docstring = ast.get_docstring(node, clean=False)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        lines -= docstring.count("\n") + 1 if docstring else 0
        if lines > LONGEST:
            found.append(f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {LONGEST}")
        if node.args.kwarg:
            found.append(f"{path}:{node.lineno}: {node.name} takes **{node.args.kwarg.arg}")
    return found


def lengths(paths: list[Path]) -> list[str]:
    """Files that are too long, and whether most are."""
    lines = {path: path.read_text().count("\n") for path in paths}
    found = [
        f"{path}: {count} lines, at most {LONGEST_FILE}"
        for path, count in lines.items()
        if count > LONGEST_FILE
    ]
    middle = statistics.median(lines.values())
    if middle > MEDIAN:
        found.append(f"gof: half of the files have over {middle:g} lines, at most {MEDIAN}")
    return found


if __name__ == "__main__":
    files = sorted(path for path in Path("gof").rglob("*.py") if path.stat().st_size)
    rules = sorted(Path("workflow").rglob("*.smk"))
    problems = [*lengths([*files, *rules]), *(line for path in files for line in faults(path))]
    sys.exit("\n".join(problems) or 0)
