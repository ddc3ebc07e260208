from functools import partial

import pytest
import torch
from torch import Tensor

from gof.geometry.cameras import Rays, camera_rays
from gof.run.memory import in_parts, lacks_memory

LACKS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
]


def doubled(seen: list[int], most: int, error: Exception, rows: Tensor) -> Tensor:
    """A machine with room for so many rows."""
    seen.append(len(rows))
    if len(rows) > most:
        raise error
    return 2 * rows


@pytest.mark.parametrize("error", LACKS)
def test_halves_of_halves_are_joined_in_their_order(error: Exception) -> None:
    rows, seen = torch.arange(14.0).view(7, 2), []
    made = in_parts(partial(doubled, seen, 2, error), rows)
    assert torch.equal(made, 2 * rows)
    assert seen == [7, 4, 2, 2, 3, 2, 1]
    assert lacks_memory(error)


def test_several_results_are_joined_along_the_dimension_that_was_cut() -> None:
    rays = camera_rays(torch.zeros(2, 2), 4, 12.0)

    def look(part: Rays) -> tuple[Tensor, ...]:
        assert part.side == (4 if part.origins.shape[1] == 16 else None)
        if part.origins.shape[1] > 5:
            raise MemoryError
        return part.origins, part.directions[..., 0]

    origins, first = in_parts(look, rays, dim=1)
    assert torch.equal(origins, rays.origins)
    assert torch.equal(first, rays.directions[..., 0])


@pytest.mark.parametrize("error", LACKS)
def test_a_single_row_that_does_not_fit_is_the_end(error: Exception) -> None:
    with pytest.raises(type(error)):
        in_parts(partial(doubled, [], 0, error), torch.ones(4, 1))


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("no")])
def test_any_other_fault_is_told_at_once(error: Exception) -> None:
    seen: list[int] = []
    with pytest.raises(type(error)):
        in_parts(partial(doubled, seen, 0, error), torch.ones(4, 1))
    assert seen == [4] and not lacks_memory(error)


def test_says_so_once(capsys) -> None:
    from gof.run import memory

    memory._tell.cache_clear()
    in_parts(partial(doubled, [], 1, MemoryError()), torch.ones(8, 1))
    assert capsys.readouterr().err.count("out of memory: goes on in smaller parts") == 1
