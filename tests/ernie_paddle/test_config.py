"""Configuration: strict, overridable, and plain about what is wrong."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from ernie_paddle.config import Settings, apply_overrides, check_settings, file_name, load_settings
from ernie_paddle.errors import UserError


class Inner(Settings):
    warmup_updates: int = Field(default=0, ge=0)
    rate: float = 0.0


class Outer(Settings):
    name: str
    path: Path = Path()
    counts: int | list[int] = 0
    switch: bool = False
    inner: Inner = Inner()
    items: dict[str, Inner] = Field(default_factory=dict)


def test_overrides_set_dotted_keys_and_leave_the_tree_alone() -> None:
    tree = {"name": "a", "inner": {"warmup_updates": 1}}
    changed = apply_overrides(tree, ["inner.warmup_updates=5", "name=[1, x]", "items.b.warmup_updates=2"])
    assert changed == {"name": [1, "x"], "inner": {"warmup_updates": 5}, "items": {"b": {"warmup_updates": 2}}}
    assert tree == {"name": "a", "inner": {"warmup_updates": 1}}


def test_booleans_stay_where_they_are_meant_and_keys_of_merged_mappings_may_come_again(tmp_path: Path) -> None:
    assert check_settings(Outer, {"name": "a", "switch": True}, "where").switch
    text = "inner: &one {warmup_updates: 1, rate: 2}\nname: a\nitems: {x: {<<: *one, rate: 3}}"
    settings = load_settings(Outer, written(tmp_path / "settings.yaml", text), [])
    assert settings.items["x"] == Inner(warmup_updates=1, rate=3)


def test_settings_stay_as_they_were_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Inner().rate = 2.0  # type: ignore[misc]


def test_a_key_is_overridden_once() -> None:
    with pytest.raises(UserError, match=r"'inner\.rate' is given twice"):
        apply_overrides({}, ["inner.rate=1", "inner.rate=2"])


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_names_of_files_stay_in_their_folder(name: str) -> None:
    assert file_name("测试 1") == "测试 1"
    with pytest.raises(ValueError, match="names files or folders"):
        file_name(name)


@pytest.mark.parametrize("override", ["name", "=3", "name.=3", "name.x=3", "name=[", "inner.warmup_updates.x=1"])
def test_overrides_that_cannot_be_meant_are_refused(override: str) -> None:
    with pytest.raises(UserError, match="override"):
        apply_overrides({"name": "a", "inner": {"warmup_updates": 1}}, [override])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "where: key 'name' is missing"),
        ({"nam": "a"}, "where: unknown key 'nam'; did you mean 'name'?"),
        ({"name": "a", "inner": {"warmup_update": 1}}, "'inner.warmup_update'; did you mean 'warmup_updates'?"),
        ({"name": "a", "items": {"x": {"warm": 1}}}, "unknown key 'items.x.warm'; .*warmup_updates"),
        ({"name": "a", "inner": {"warmup_updates": -1}}, "key 'inner.warmup_updates': .*greater than or equal to 0"),
        ({"name": 3}, "key 'name': .*string"),
        ({"name": True}, "key 'name': .*string; YAML reads yes, no, .* as booleans: put the word in quotes"),
        ({"name": "a", "counts": True}, "counts: found a boolean, expected a number; YAML reads yes"),
        ({"name": "a", "counts": [1, False]}, "counts: found a boolean, expected a number"),
        ({"name": "a", "inner": {"rate": True}}, "key 'inner': .*rate: found a boolean"),
        ({"name": "a", "path": ""}, "path: an empty text is no path"),
        ({"name": "a", "inner": {"rate": float("inf")}}, "key 'inner.rate': .*finite"),
    ],
)
def test_mistakes_name_the_key(tree: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(Outer, tree, "where")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "YAML"),
        ("- a", "mapping"),
        ("", "mapping"),
        ("\xff", "not UTF-8"),
        ("a: 1\nb: {c: 1, c: 2}", "'c' is there twice.* line 2"),
        ("a: 2020-13-45", "month"),
        ("[" * 3000, "too deeply"),
    ],
)
def test_files_that_hold_no_mapping_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=rf"settings\.yaml: .*{message}"):
        load_settings(Outer, path, [])
    assert load_settings(Outer, written(path, "name: a"), ["inner.warmup_updates=3"]).inner.warmup_updates == 3


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
