import pytest
from pydantic import TypeAdapter, ValidationError

from gof.config.section import (
    Colour,
    Count,
    CountOrZero,
    Depth,
    Fraction,
    Name,
    NonNegative,
    Positive,
    Resolution,
    Resolutions,
    Section,
    Seed,
    Width,
)


@pytest.mark.parametrize(
    ("kind", "lowest", "below", "highest", "above"),
    [
        (Count, 1, 0, 10**8, 10**8 + 1),
        (CountOrZero, 0, -1, 10**8, 10**8 + 1),
        (Width, 1, 0, 2**14, 2**14 + 1),
        (Depth, 1, 0, 64, 65),
        (Resolution, 4, 3, 1024, 1025),
        (Seed, 0, -1, 2**31 - 1, 2**31),
        (Positive, 1e-30, 0.0, 1e9, 1.1e9),
        (NonNegative, 0.0, -1e-30, 1e9, 1.1e9),
        (Fraction, 0.0, -1e-9, 1.0, 1.0001),
    ],
)
def test_bounds(kind, lowest, below, highest, above):
    reader = TypeAdapter(kind)
    assert [reader.validate_python(value) for value in (lowest, highest)] == [lowest, highest]
    for value in (below, above):
        with pytest.raises(ValidationError):
            reader.validate_python(value)


@pytest.mark.parametrize("name", ["a", "gof", "gof_2", "a" + "b" * 40])
def test_names(name):
    assert TypeAdapter(Name).validate_python(name) == name


ODD = ["", "a/b", "../../x", "a|.*(", "a b", "a.b", "a-b", "a+b", "A", "_a", "1a", "ä", "a" * 42]


@pytest.mark.parametrize("name", [*ODD, "a\n", "\na", "a\0", "{a}", "~", "con:"])
def test_names_that_would_break_paths_and_patterns_are_refused(name):
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


def test_resolutions_nest():
    reader = TypeAdapter(Resolutions)
    for sizes in ((64, 128), (16, 32, 64), (64,), (8, 32)):
        assert reader.validate_python(sizes) == sizes
    for odd in ((), (24, 64), (3,), (2048,)):
        with pytest.raises(ValidationError):
            reader.validate_python(odd)


def test_colours_have_three_parts_from_0_to_1():
    reader = TypeAdapter(Colour)
    assert reader.validate_python([0, 0.5, 1]) == (0.0, 0.5, 1.0)
    for odd in ([0, 0], [0, 0, 0, 0], [0, 0, 1.1]):
        with pytest.raises(ValidationError):
            reader.validate_python(odd)


class Some(Section):
    share: float = 0.5


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan"), "inf", "nan"])
def test_sections_take_no_number_that_is_not_finite(odd):
    with pytest.raises(ValidationError, match="finite"):
        Some(share=odd)


def test_sections_take_no_unknown_key_and_do_not_change():
    with pytest.raises(ValidationError, match="extra"):
        Some.model_validate({"shares": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Some().share = 1.0
