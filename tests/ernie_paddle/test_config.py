"""Configuration: strict, overridable, and plain about what is wrong."""

from pathlib import Path

import pytest
from helpers import Run, assert_user_error
from pydantic import Field, ValidationError

from ernie_paddle.cli import main
from ernie_paddle.config import (
    Settings,
    apply_overrides,
    check_settings,
    file_name,
    lay_over,
    load_settings,
    read_config,
)
from ernie_paddle.errors import UserError


class Inner(Settings):
    warmup_steps: int = Field(default=0, ge=0)
    rate: float = 0.0


class Outer(Settings):
    name: str
    path: Path = Path()
    counts: int | list[int] = 0
    switch: bool = False
    inner: Inner = Inner()
    items: dict[str, Inner] = Field(default_factory=dict)


def test_overrides_set_dotted_keys_and_leave_the_tree_alone() -> None:
    tree = {"name": "a", "inner": {"warmup_steps": 1}}
    changed = apply_overrides(tree, ["inner.warmup_steps=5", "name=[1, x]", "items.b.warmup_steps=2"])
    assert changed == {"name": [1, "x"], "inner": {"warmup_steps": 5}, "items": {"b": {"warmup_steps": 2}}}
    assert tree == {"name": "a", "inner": {"warmup_steps": 1}}


def test_booleans_stay_where_they_are_meant_and_keys_of_merged_mappings_may_come_again(tmp_path: Path) -> None:
    assert check_settings(Outer, {"name": "a", "switch": True}, "where").switch
    text = "inner: &one {warmup_steps: 1, rate: 2}\nname: a\nitems: {x: {<<: *one, rate: 3}}"
    settings = load_settings(Outer, written(tmp_path / "settings.yaml", text), [])
    assert settings.items["x"] == Inner(warmup_steps=1, rate=3)


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


@pytest.mark.parametrize("override", ["name", "=3", "name.=3", "name.x=3", "name=[", "inner.warmup_steps.x=1"])
def test_overrides_that_cannot_be_meant_are_refused(override: str) -> None:
    with pytest.raises(UserError, match="override"):
        apply_overrides({"name": "a", "inner": {"warmup_steps": 1}}, [override])


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "where: key 'name' is missing"),
        ({"nam": "a"}, "where: unknown key 'nam'; did you mean 'name'?"),
        ({"name": "a", "inner": {"warmup_update": 1}}, "'inner.warmup_update'; did you mean 'warmup_steps'?"),
        ({"name": "a", "items": {"x": {"warm": 1}}}, "unknown key 'items.x.warm'; .*warmup_steps"),
        ({"name": "a", "inner": {"warmup_steps": -1}}, "key 'inner.warmup_steps': expected at least 0, found -1"),
        ({"name": 3}, "key 'name': expected text, found 3; quote it: name: '3'"),
        ({"name": True}, "key 'name': expected text, .*; YAML reads yes, no, .* as booleans: put the word in quotes"),
        ({"name": "a", "counts": True}, "key 'counts': expected a number, found a boolean; YAML reads yes"),
        ({"name": "a", "counts": [1, False]}, "key 'counts': expected a number, found a boolean"),
        ({"name": "a", "inner": {"rate": True}}, "key 'inner.rate': expected a number, found a boolean"),
        ({"name": "a", "path": ""}, "key 'path': an empty text is no path"),
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
        ("a: 1\nb: {c: 1, c: 2}", "'c' occurs twice.* line 2"),
        ("a: 2020-13-45", "month"),
        ("[" * 3000, "too deeply"),
    ],
)
def test_files_that_hold_no_mapping_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=rf"settings\.yaml: .*{message}"):
        load_settings(Outer, path, [])
    assert load_settings(Outer, written(path, "name: a"), ["inner.warmup_steps=3"]).inner.warmup_steps == 3


# ---- configs that extend others ----


def chain_of(folder: Path, **texts: str) -> Path:
    """Write configs by name, and return the first."""
    for name, text in texts.items():
        written(folder / f"{name}.yaml", text)
    return folder / f"{next(iter(texts))}.yaml"


def test_a_config_is_laid_over_what_it_extends_and_overrides_come_last(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path / "base.yaml", "name: base\ncounts: [1, 2]\ninner: {warmup_steps: 1, rate: 1}\nswitch: true")
    middle = "extends: ../base.yaml\nname: middle\ncounts: [3]\ninner: {rate: 2}"
    path = chain_of(tmp_path / "deep", top="extends: middle.yaml\nname: top\nitems: {x: {rate: 3}}", middle=middle)
    expected = Outer(
        name="top", counts=[3], switch=True, inner=Inner(warmup_steps=1, rate=2), items={"x": Inner(rate=3)}
    )
    assert load_settings(Outer, path, []) == expected
    changed = expected.model_copy(update={"name": "set", "inner": Inner(warmup_steps=1, rate=4)})
    assert load_settings(Outer, path, ["name=set", "inner.rate=4"]) == changed


def test_extends_means_the_configs_own_folder_and_works_in_a_mapping_of_values(tmp_path: Path) -> None:
    path = chain_of(tmp_path, top="extends: base.yaml\ninner: {warmup_steps: 2}\ncounts: 5", base="name: a\ninner: 3")
    assert lay_over({"inner": {"a": 1}, "x": None}, {"inner": 3, "x": {"b": 2}}) == {"inner": {"a": 1}, "x": None}
    assert load_settings(Outer, path, []) == Outer(name="a", counts=5, inner=Inner(warmup_steps=2))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"a": "extends: a.yaml"}, "a.yaml extends .*a.yaml: a config cannot extend itself"),
        (
            {"a": "extends: b.yaml", "b": "extends: ./c.yaml", "c": "extends: ../{folder}/b.yaml"},
            "a.yaml extends .*b.yaml extends .*c.yaml extends .*b.yaml: a config cannot extend itself",
        ),
        ({"a": "extends: b.yaml", "b": "extends: c.yaml"}, "b.yaml extends .*c.yaml: configuration file not found"),
        ({"a": "extends: b.yaml", "b": "- 1"}, "a.yaml extends .*b.yaml: expected a mapping"),
        ({"a": "extends: [b.yaml]"}, "a.yaml: key 'extends': expected the path of a config"),
        ({"a": "extends: b.yaml", "b": "nam: x"}, "a.yaml extends .*b.yaml: unknown key 'nam'; did you mean 'name'"),
    ],
)
def test_a_chain_of_configs_with_a_mistake_is_named(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    path = chain_of(tmp_path, **{name: text.replace("{folder}", tmp_path.name) for name, text in texts.items()})
    with pytest.raises(UserError, match=message):
        load_settings(Outer, path, [])


def test_a_shipped_config_extends_shipped_ones_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, names = read_config(Path("configs/finetune/ernie_zh/drcd.yaml"))
    assert tree["train"]["adam"]["beta2"] == 0.999 and names.count(" extends ") == 2
    monkeypatch.chdir(tmp_path)
    assert read_config(Path("configs/finetune/ernie_zh/drcd.yaml")) == (tree, names)
    own = chain_of(tmp_path, own="extends: configs/finetune/ernie_zh/drcd.yaml\nepochs: 7")
    assert read_config(Path(own.name)) == (tree | {"epochs": 7}, f"own.yaml extends {names}")


# ---- ernie-paddle config ----


def test_a_config_is_printed_as_it_is_read(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = chain_of(tmp_path, top="extends: base.yaml\nname: 题", base="inner: {rate: 1.0e-5}\ncounts: [1, 2]\nname: b")
    main(["config", str(path), "--set", "switch=yes"])
    printed = written(tmp_path / "printed.yaml", capsys.readouterr().out)
    assert load_settings(Outer, printed, []) == load_settings(Outer, path, ["switch=true"])
    for key, expected in (("name", "题\n"), ("inner.rate", "1.0e-05\n"), ("counts", "- 1\n- 2\n")):
        main(["config", str(path), key])
        assert capsys.readouterr().out == expected
    for key, known in (("inner.rat", "did you mean 'rate'"), ("name.x", "known: none")):
        assert_user_error(*run("config", path, key), f"{path} extends {path.parent}/base.yaml: no key '{key}'", known)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
