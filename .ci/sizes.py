"""No function over 60 lines without its docstring, none that takes **kwargs."""

import ast
import sys
from pathlib import Path

LONGEST = 60


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


if __name__ == "__main__":
    problems = [line for path in sorted(Path("gof").rglob("*.py")) for line in faults(path)]
    sys.exit("\n".join(problems) or 0)
