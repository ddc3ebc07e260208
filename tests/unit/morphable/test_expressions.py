import torch

from gof.morphable.expressions import EXPRESSIONS, NEUTRAL, random_expressions
from gof.run.rng import streams


def test_expressions_are_sparse_within_their_amplitudes_and_often_absent():
    names = tuple(
        sorted({u + s for _, units in EXPRESSIONS for u in units for s in ("", "Left", "Right")})
    )
    found = random_expressions(names, streams(0, "expression", range(1000)))
    largest = {
        name: max(v for _, us in EXPRESSIONS for u, v in us.items() if name.startswith(u))
        for name in names
    }
    assert (found >= 0).all()
    assert (found <= torch.tensor([largest[name] for name in names]) + 1e-6).all()
    neutral = (found == 0).all(1).float().mean()
    assert abs(neutral - NEUTRAL) < 0.06
    left, right = names.index("mouthSmileLeft"), names.index("mouthSmileRight")
    assert torch.equal(found[:, left], found[:, right]) and found[:, left].max() > 0.3
    assert abs(sum(share for share, _ in EXPRESSIONS) - 1) < 1e-9
