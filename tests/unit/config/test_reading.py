import pytest

from gof.config.errors import ConfigError
from gof.config.reading import LARGEST, MAX_BYTES, merged, read, sensible


def written(folder, text):
    path = folder / "c.yaml"
    path.write_text(text)
    return str(path)


def refused(source):
    with pytest.raises(ConfigError) as caught:
        read(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("1:30", "1:30"),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("1e3", 1000.0),
        ("2.5e-4", 2.5e-4),
        ("null", None),
        ("~", None),
        ("[1, [2, three]]", [1, [2, "three"]]),
        ("2_5", 25),
    ],
)
def test_values_are_those_of_yaml_1_2(tmp_path, text, value):
    found = read(written(tmp_path, f"key: {text}\n"))["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a\n- b\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("plain", "expected a mapping"),
        ("a: [1\n", "line 2"),
        ("a: 1\n\tb: 2\n", "line 2"),
        ("a: 1\nb: 2\na: 3\n", 'line 3: .*duplicate key "a"'),
        ("a:\n  b: {c: 1, d: 2, c: 1}\n", 'line 2: .*duplicate key "c"'),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: !!python/object/apply:os.system ['true']\n", "constructor"),
        ("a: &x {b: *x}\n", "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        ("a: \0\n", "special characters"),
        ("a: .inf\n", "a: inf is no finite number"),
        ("a: {b: [1, -.INF]}\n", "a.b.1: -inf is no finite number"),
        ("a: .nan\n", "a: nan is no finite number"),
        ("a: 1e999\n", "a: inf is no finite number"),
        ("a: [1000000000000000000]\n", "a.0: 1000000000000000000 is beyond all sense"),
        ("a: -1.0e+300\n", "a: -1e.300 is beyond all sense"),
        (f"a: 1{'0' * 400}\n", "a: 10000000000000000000 is beyond all sense"),
        (f"a: 1{'0' * 5000}\n", "not valid"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_line_that_names_them(tmp_path, text, fault):
    source = written(tmp_path, text)
    message = refused(source)
    assert message.startswith(f"{source}: ")
    with pytest.raises(ConfigError, match=fault):
        read(source)


def test_what_is_no_readable_file_is_refused(tmp_path):
    assert "No such file" in refused(str(tmp_path / "none.yaml"))
    assert "directory" in refused(str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes(b"note: f\xfcr\n")
    assert "latin.yaml: not valid: 'utf-8'" in refused(str(tmp_path / "latin.yaml"))
    assert "bytes" in refused(written(tmp_path, "note: " + "x" * MAX_BYTES))
    assert read(written(tmp_path, "note: " + "x" * (MAX_BYTES - 6)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"heads": ', "Expecting value"),
        ('{"a": 1} x', "Extra data"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' stands twice"),
        ('{"a": {"b": 1, "b": 1}}', "key 'b' stands twice"),
        ('{"a": [NaN]}', "a.0: nan is no finite number"),
        ('{"a": {"b": -Infinity}}', "a.b: -inf is no finite number"),
        ('{"a": 1e999}', "a: inf is no finite number"),
        ('{"a": 1000000000000000000}', "beyond all sense"),
        ("{" + '"a":{' * 5000, "nested too deeply"),
    ],
)
def test_text_in_place_of_a_file_is_read_as_strictly(text, fault):
    message = refused(text)
    assert message.startswith("--config: ") and fault in message


def test_text_is_json():
    assert read(' {"a": {"b": [1, 2.5, "no", null]}}') == {"a": {"b": [1, 2.5, "no", None]}}


def test_numbers_are_looked_at_wherever_they_stand():
    values = {"a": [(1, 2.0), {"b": LARGEST}], "c": True, "d": "inf", "e": -LARGEST, 3: None}
    assert sensible(values) is values
    for odd in (float("inf"), float("nan"), LARGEST + 1, -LARGEST - 1, float(2 * LARGEST)):
        with pytest.raises(ConfigError, match=r"^a\.1\.b: "):
            sensible({"a": [(1,), {"b": odd}]})
        with pytest.raises(ConfigError, match=r"^7\.0: "):
            sensible({7: (odd,)})


def test_a_later_mapping_changes_an_earlier_one_key_by_key():
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2], "f": 3}
    change = {"a": {"c": {"g": 4}}, "e": [5], "f": {"h": 6}, "i": None}
    assert merged(base, change) == {
        "a": {"b": 1, "c": {"d": 2, "g": 4}},
        "e": [5],
        "f": {"h": 6},
        "i": None,
    }
    assert merged(base, {"a": None}) == {**base, "a": None}
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2], "f": 3}
