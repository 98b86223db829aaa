"""Mistakes in configs are told by their keys, whatever pydantic makes of unions, lists and mappings."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field

from data_builders.build import BuildSettings
from ernie_paddle.config import Settings, check_settings, read_config
from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import FinetuneSettings
from ernie_paddle.pretraining.settings import PretrainSettings
from tasks.finetuning.reading.data import DataSettings


class Weights(Settings):
    basic: float = Field(default=0.0, ge=0)


class Tsv(Settings):
    format: Literal["tsv"] = "tsv"
    header: bool = True


class Json(Settings):
    format: Literal["json"] = "json"
    key: str = "text"


class Outer(Settings):
    counts: int | list[int] = 0
    weights: Weights | Annotated[list[Weights], Field(min_length=1)] = Weights()
    column: str | int | None = None
    reading: Annotated[Tsv | Json, Field(discriminator="format")] = Tsv()
    names: tuple[str, ...] | None = Field(default=None, min_length=2)
    path: Path = Path()
    language: Literal["en", "zh", "no"] = "en"
    options: dict[str, Any] = Field(default_factory=dict)
    rates: dict[str, float] = Field(default_factory=dict)
    share: float = Field(default=0.5, gt=0, lt=1)
    steps: int = Field(default=1, le=1_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("counts: many", "key 'counts': expected a whole number or a list, found 'many'"),
        ("counts: [1, many]", "key 'counts.1': expected a whole number, found 'many'"),
        ("weights: 3", "key 'weights': expected a mapping of keys to values or a list, found 3"),
        ("weights: {basic: x}", "key 'weights.basic': expected a number, found 'x'"),
        ("weights: [{basic: 1}, {basic: -1}]", "key 'weights.1.basic': expected at least 0, found -1"),
        ("weights: [{basics: 1}]", "unknown key 'weights.0.basics'; did you mean 'basic'?"),
        ("weights: []", "key 'weights': expected 1 or more entries, found []"),
        ("weights: {basic: yes}", "key 'weights.basic': expected a number, found a boolean; YAML reads yes"),
        ("rates: {a: 1, b: yes}", "key 'rates': expected a number, found a boolean; YAML reads yes"),
        ("rates: {a: high}", "key 'rates.a': expected a number, found 'high'"),
        ("column: [x]", """key 'column': expected text or a whole number, found ["x"]"""),
        ("reading: {header: false}", "key 'reading.format' is missing; known: tsv, json"),
        ("reading: {format: tvs}", "key 'reading.format': unknown 'tvs'; did you mean 'tsv'?"),
        ("reading: {format: 3}", "key 'reading.format': unknown 3; known: json, tsv"),
        ("reading: tsv", "key 'reading': expected a mapping of keys to values, found 'tsv'"),
        ("reading: {format: tsv, header: 3}", "key 'reading.header': expected true or false, found 3"),
        ("reading: {format: json, header: 3}", "unknown key 'reading.header'; known: format, key"),
        ("names: [0, 1]", "key 'names.0': expected text, found 0; quote them: names: ['0', '1']"),
        ("names: [a, 1.5]", "key 'names.1': expected text, found 1.5; quote them: names: ['a', '1.5']"),
        ("names: [it's, 1]", "key 'names.1': expected text, found 1; quote them: names: ['it''s', '1']"),
        ("names: [1, 2, 3, 4, 5]", "quote them: names: ['1', '2', '3', '4', ...]"),
        ("names: [a, no]", "key 'names.1': expected text, found false; YAML reads yes"),
        ("names: [a]", """key 'names': expected 2 or more entries, found ["a"]"""),
        ("path: 3", "key 'path': expected a path, found 3; quote it: path: '3'"),
        ("language: no", "expected 'en', 'zh' or 'no', found false; YAML reads yes"),
        ("language: 3", "key 'language': expected 'en', 'zh' or 'no', found 3"),
        ("options: {1: x}", "key 'options.1': a key must be text; put it in quotes: '1'"),
        ("options: {no: x}", "key 'options.False': a key must be text; put it in quotes; YAML reads yes"),
        ("options: {2020-01-02: x}", "key 'options.2020-01-02': a key must be text; put it in quotes: '2020-01-02'"),
        ("1: x", "key '1': a key must be text; put it in quotes: '1'"),
        ("share: 1", "key 'share': expected less than 1, found 1"),
        ("share: 0.0", "key 'share': expected more than 0, found 0.0"),
        ("steps: 1.5", "key 'steps': expected a whole number, found 1.5"),
    ],
)
def test_a_mistake_names_its_key_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        check_settings(Outer, yaml.safe_load(text), "where")
    told = str(raised.value)
    assert told.startswith(f"where: {message}") or (told.startswith("where: key") and message in told), told


def test_a_list_is_no_config() -> None:
    with pytest.raises(UserError, match=r"^where: expected a mapping of keys to values, found \[1\]$"):
        check_settings(Outer, [1], "where")  # type: ignore[arg-type]


# ---- the configs of the project ----

WRONG: list[Any] = [None, 3, -1, 2.5, True, "x", "", [], {}, [3], [None], {"a": 1}, {1: "a"}, [["a"]], [{"a": 1}]]
CONFIGS = {
    "plans/quickstart.yaml": PretrainSettings,
    "corpora/quickstart.yaml": BuildSettings,
    "finetune/reviews.yaml": FinetuneSettings,
}


def places(tree: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the keys that lead to each value of a config."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield (key,)
            yield from ((key, *rest) for rest in places(value))


def with_value(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = node = copy.deepcopy(tree)
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return changed


@pytest.mark.parametrize(("path", "settings_type"), CONFIGS.items(), ids=CONFIGS)
def test_no_mistake_in_a_config_is_told_in_the_words_of_pydantic(path: str, settings_type: type[Settings]) -> None:
    tree, _ = read_config(Path("configs") / path)
    check_each_value(tree, settings_type)


def test_no_mistake_in_the_data_of_a_recipe_is_told_in_the_words_of_pydantic() -> None:
    reading = {"format": "tsv", "header": True, "columns": {"text_a": "a", "label": 3}, "fields": [2], "rest": "text_a"}
    data = {"train": ["a.tsv"], "dev": {"one": ["b.tsv"]}, "labelled": ["train"], "label_map": {"0": "no"}}
    check_each_value({**data, "reading": reading, "train_rows": 5}, DataSettings)


def check_each_value(tree: dict[str, Any], settings_type: type[Settings]) -> None:
    """Replace each value of a valid config by wrong ones, and check that the message names its key."""
    check_settings(settings_type, tree, "where")
    refused = 0
    for place in places(tree):
        for value in WRONG:
            try:
                check_settings(settings_type, with_value(tree, place, value), "where")
            except UserError as error:
                refused += 1
                told = str(error)
                assert not any(word in told for word in ("Input", "Value error", "function-", "valid ", "[key]")), told
                assert "\n" not in told
                keys = [str(key) for key in place]
                # Several keys that do not fit together are an error of the section that they are in.
                assert any(f"key '{'.'.join(keys[:n])}" in told for n in range(1, len(keys) + 1)), (place, value, told)
    assert refused > 5 * len(list(places(tree)))
