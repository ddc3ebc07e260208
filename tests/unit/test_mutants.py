"""The faults that the mutation run tries."""

import ast
import json
from pathlib import Path

from tests.mutation.mutants import mutants
from tests.mutation.run import NAMED, ROOT, chosen, files

SOURCE = '''"""A module."""
LIMIT = 0.5


def loss(a: float, b: float | None = None) -> float:
    """A é docstring."""
    if a < LIMIT and b:
        print(a)
    return -a.square(dim=-1) + weight(a, b) * 2
'''


def test_each_fault_changes_one_place_and_still_parses(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(SOURCE)
    found = list(mutants(tmp_path, "module.py"))
    sources = [mutant.applied(SOURCE.encode()).decode() for mutant in found]
    trees = {ast.dump(ast.parse(source)) for source in sources}
    assert len(trees) == len(found) and ast.dump(ast.parse(SOURCE)) not in trees
    assert {mutant.kind for mutant in found} == {
        "arguments swapped",
        "call removed",
        "comparison",
        "condition negated",
        "constant",
        "keyword dropped",
        "operand dropped",
        "operator",
        "statement removed",
    }
    assert {mutant.where for mutant in found} == {"module", "loss"}
    for line in ("(weight(b, a)) * 2", "(1.0)", "pass", "(a <= LIMIT)", "(a) + weight", "-(a)"):
        assert any(line in source for source in sources), line


def test_samples_are_parts_of_larger_ones() -> None:
    file = "gof/losses/field.py"
    few, more = (chosen([file], count, 0) for count in (5, 12))
    assert {mutant.key for mutant in few} < {mutant.key for mutant in more}
    assert {mutant.key for mutant in chosen([file], 5, 1)} != {mutant.key for mutant in few}


def test_named_survivors_are_faults_of_the_code_as_it_is() -> None:
    known = {mutant.key for file in files([]) for mutant in mutants(ROOT, file)}
    gone = [entry["key"] for entry in json.loads(NAMED.read_text()) if entry["key"] not in known]
    assert gone == []
