"""Small faults of a source file: one changed place each."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SWAPPED: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
SYMMETRIC = ("max", "min")  # their arguments may change places
GUARDS = ("strict",)  # keywords that only ask for what holds anyway
DROPPED = (ast.Add, ast.Sub, ast.Mult, ast.Div)  # operators of which either side may stand alone


@dataclass(frozen=True, slots=True)
class Mutant:
    """A place of a file (bytes from start to end) and what stands there instead; `where` is the
    function it lies in, `was` and `now` the code before and after."""

    file: str
    line: int
    where: str
    was: str
    now: str
    start: int
    end: int
    kind: str

    @property
    def key(self) -> str:
        """Names the mutant, whatever lies before it in its file."""
        return f"{self.file} | {self.where} | {self.was} | {self.now}"

    def applied(self, source: bytes) -> bytes:
        """The file with this fault."""
        return source[: self.start] + self.now.encode() + source[self.end :]


class _Finder(ast.NodeVisitor):
    """Collects the mutants of a module."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source = file, source
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[Mutant] = []
        self.names: list[str] = []
        self.imported: set[str] = set()
        self.removed: ast.expr | None = None  # a call whose statement is removed already

    def add(self, node: ast.expr | ast.stmt, now: str, kind: str) -> None:
        """A mutant that puts `now` in the place of a node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        was = self.source[start:end].decode()
        where = ".".join(self.names) or "module"
        self.found.append(Mutant(self.file, node.lineno, where, was, now, start, end, kind))

    def instead(self, node: ast.expr, kind: str, other: ast.expr) -> None:
        """A mutant that puts another expression in the place of one."""
        self.add(node, f"({ast.unparse(other)})", kind)

    # What is no behaviour, or only words, is passed over.
    def visit_Import(self, node: ast.Import) -> None:
        self.imported |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imported |= {alias.asname or alias.name for alias in node.names}

    def visit_Raise(self, node: ast.Raise) -> None: ...

    def visit_Assert(self, node: ast.Assert) -> None: ...

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...

    def visit_arg(self, node: ast.arg) -> None: ...

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.names.append(node.name)
        if isinstance(node, ast.FunctionDef):
            self.visit(node.args)
        for child in node.body:
            self.visit(child)
        self.names.pop()

    visit_FunctionDef = _definition
    visit_ClassDef = _definition

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Name) and node.value.func.id == "say":
                return
            self.add(node, "pass", "statement removed")
            self.removed = node.value
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "pass", "statement removed")
        self.generic_visit(node)

    def _condition(self, node: ast.If | ast.IfExp | ast.While) -> None:
        self.instead(node.test, "condition negated", ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_If = _condition
    visit_IfExp = _condition
    visit_While = _condition

    def visit_BinOp(self, node: ast.BinOp) -> None:
        changed = copy.deepcopy(node)
        if type(node.op) in SWAPPED:
            changed.op = SWAPPED[type(node.op)]()
            self.instead(node, "operator", changed)
        if isinstance(node.op, DROPPED):
            self.instead(node, "operand dropped", node.left)
        if isinstance(node.op, ast.Add | ast.Mult):
            self.instead(node, "operand dropped", node.right)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
            changed = copy.deepcopy(node)
            changed.ops = [SWAPPED[type(node.ops[0])]()]
            self.instead(node, "comparison", changed)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        changed = copy.deepcopy(node)
        changed.op = SWAPPED[type(node.op)]()
        self.instead(node, "operator", changed)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.instead(node, "operator", node.operand)
        if not (isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)):
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.instead(node, "constant", ast.Constant(not value))
        elif isinstance(value, int | float):
            other = value + 1 if isinstance(value, int) else value * 2 or 1.0
            self.instead(node, "constant", ast.Constant(other))

    def visit_Call(self, node: ast.Call) -> None:
        plain = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
        symmetric = isinstance(node.func, ast.Name) and node.func.id in SYMMETRIC
        if len(plain) >= 2 and not symmetric and ast.dump(plain[0]) != ast.dump(plain[1]):
            changed = copy.deepcopy(node)
            i, j = node.args.index(plain[0]), node.args.index(plain[1])
            changed.args[i], changed.args[j] = changed.args[j], changed.args[i]
            self.instead(node, "arguments swapped", changed)
        for number, keyword in enumerate(node.keywords):
            if keyword.arg in GUARDS:
                continue
            changed = copy.deepcopy(node)
            del changed.keywords[number]
            self.instead(node, "keyword dropped", changed)
        function = node.func
        module = isinstance(function, ast.Attribute) and self._is_module(function.value)
        if isinstance(function, ast.Attribute) and not module and node is not self.removed:
            self.instead(node, "call removed", function.value)
        for child in (node.func, *node.args, *(k for k in node.keywords if k.arg not in GUARDS)):
            self.visit(child)

    def _is_module(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.imported | {"self", "cls"}


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """All mutants of a file below root, in the order of their places; those that read alike count
    once."""
    source = (root / file).read_bytes()
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    seen = set()
    for mutant in sorted(finder.found, key=lambda m: (m.start, m.end, m.kind, m.now)):
        changed = mutant.applied(source)
        try:
            code = ast.dump(ast.parse(changed))
        except SyntaxError:
            continue
        if code not in seen:
            seen.add(code)
            yield mutant
