from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from gof.config.choice import OneOf
from gof.config.section import Section


class Animal(Section):
    kind: str


class Cat(Animal):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Fish(Animal):
    kind: Literal["fish"] = "fish"
    fins: int


KINDS: dict[str, type[Section]] = {"cat": Cat, "fish": Fish}


class House(Section):
    pet: Annotated[Animal, OneOf("kind", lambda: KINDS, "cat")] = Cat()
    others: dict[str, Annotated[Animal, OneOf("kind", lambda: KINDS)]] = Field({})


def test_the_key_decides_on_the_class_and_the_default_where_it_is_absent():
    house = House.model_validate(
        {"pet": {"lives": 3}, "others": {"a": {"kind": "fish", "fins": 2}}}
    )
    assert house.pet == Cat(lives=3)
    assert house.others["a"] == Fish(fins=2)
    assert House(pet=Fish(fins=1)).pet == Fish(fins=1)


def test_all_of_it_is_written_and_read_back():
    house = House.model_validate({"pet": {"kind": "fish", "fins": 4}})
    text = house.model_dump_json()
    assert '"fins":4' in text
    assert House.model_validate_json(text) == house
    assert house.model_dump(include={"pet": {"fins"}}) == {"pet": {"fins": 4}}


@pytest.mark.parametrize(
    ("value", "place", "fault"),
    [
        ({"others": {"a": {"fins": 2}}}, ("others", "a"), "needs a kind; there are cat, fish"),
        ({"pet": {"kind": "dog"}}, ("pet",), "no kind 'dog'; there are cat, fish"),
        ({"pet": {"kind": ["cat"]}}, ("pet",), "no kind"),
        ({"pet": 3}, ("pet",), "expected a mapping"),
        ({"pet": None}, ("pet",), "expected a mapping"),
        ({"pet": {"kind": "fish"}}, ("pet", "fins"), "required"),
        ({"pet": {"fins": 2}}, ("pet", "fins"), "not permitted"),
        ({"others": {"a": {"kind": "cat", "lives": "x"}}}, ("others", "a", "lives"), "integer"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value, place, fault):
    with pytest.raises(ValidationError) as caught:
        House.model_validate(value)
    first = caught.value.errors()[0]
    assert first["loc"] == place and fault in first["msg"]


def test_kinds_that_come_later_are_known(monkeypatch):
    class Dog(Animal):
        kind: Literal["dog"] = "dog"

    given = {"pet": {"kind": "dog"}}
    with pytest.raises(ValidationError):
        House.model_validate(given)
    monkeypatch.setitem(KINDS, "dog", Dog)
    assert House.model_validate(given).pet == Dog()
    assert titles() == ["Cat", "Fish", "Dog"]


def titles():
    return [one["title"] for one in House.model_json_schema()["properties"]["pet"]["anyOf"]]


def test_the_schema_holds_every_kind():
    assert titles() == ["Cat", "Fish"]
    others = House.model_json_schema()["properties"]["others"]["additionalProperties"]
    assert "fins" in others["anyOf"][1]["properties"]
