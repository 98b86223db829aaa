"""Configuration: strict, overridable, and plain about what is wrong."""

from pathlib import Path

import pytest
from pydantic import Field

from ernie_paddle.config import Settings, apply_overrides, check_settings, load_settings
from ernie_paddle.errors import UserError


class Inner(Settings):
    warmup_updates: int = Field(default=0, ge=0)
    rate: float = 0.0


class Outer(Settings):
    name: str
    inner: Inner = Inner()
    items: dict[str, Inner] = Field(default_factory=dict)


def test_overrides_set_dotted_keys_and_leave_the_tree_alone() -> None:
    tree = {"name": "a", "inner": {"warmup_updates": 1}}
    changed = apply_overrides(tree, ["inner.warmup_updates=5", "name=[1, x]", "items.b.warmup_updates=2"])
    assert changed == {"name": [1, "x"], "inner": {"warmup_updates": 5}, "items": {"b": {"warmup_updates": 2}}}
    assert tree == {"name": "a", "inner": {"warmup_updates": 1}}


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
        ({"name": "a", "inner": {"rate": float("inf")}}, "key 'inner.rate': .*finite"),
    ],
)
def test_mistakes_name_the_key(tree: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(Outer, tree, "where")


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "YAML"), ("- a", "mapping"), ("", "mapping"), ("\xff", "not UTF-8")]
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
