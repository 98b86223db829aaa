"""Every committed recipe reads the benchmark's own files."""

import json
import re
from collections import Counter
from dataclasses import astuple, fields
from pathlib import Path

import pytest
from benchmark_files import BENCHMARKS
from glue_files import cola, mnli
from recipe_support import RECIPES, Recipe, load_recipe

from tasks.finetuning.reading.data import DataSettings, LoadedSet, read_sets
from tasks.finetuning.reading.examples import Example


def values(example: Example) -> tuple[object, ...]:
    """The fields of an example after id and place."""
    return tuple(getattr(example, item.name) for item in fields(example)[2:])


def all_sets(data: DataSettings, recipe: Recipe) -> dict[str, LoadedSet]:
    return {
        loaded.name: loaded
        for split in ("train", "dev", "test")
        for loaded in read_sets(data, split, recipe.signature.labels)
    }


def test_every_recipe_of_a_benchmark_has_files_here() -> None:
    recipes = {str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.glob("*/*.yaml")}
    assert recipes == set(BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_recipe_reads_its_benchmarks_own_files(name: str, tmp_path: Path) -> None:
    made = BENCHMARKS[name]()
    made.write(tmp_path)
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides=[f"data.folder={tmp_path}"])
    sets = all_sets(recipe.data, recipe)
    assert list(sets) == list(made.sets)
    for loaded in sets.values():
        assert [values(example) for example in loaded.examples] == made.sets[loaded.name]
        assert len({example.id for example in loaded.examples}) == len(loaded.examples) == loaded.report.examples
        for met in ("skipped", "corrected", "kept"):
            counts = {what: tally.count for what, tally in getattr(loaded.report, met).items()}
            assert counts == getattr(made, met).get(loaded.name, {}), met
        if loaded.name in made.ids:
            assert [example.id for example in loaded.examples] == made.ids[loaded.name]


@pytest.mark.parametrize("name", ["glue/qqp", "glue/mrpc", "clue/cmnli", "clue/chid", "ernie_zh/msra_ner"])
def test_places_name_the_line_that_holds_the_example(name: str, tmp_path: Path) -> None:
    BENCHMARKS[name]().write(tmp_path)
    recipe = load_recipe(RECIPES / f"{name}.yaml", overrides=[f"data.folder={tmp_path}"])
    for loaded in all_sets(recipe.data, recipe).values():
        for example in loaded.examples:
            match = re.match(r"(.*) line (\d+)", example.place)
            assert match
            line = Path(match[1]).read_bytes().split(b"\n")[int(match[2]) - 1].decode("utf-8-sig")
            texts = [part for part in astuple(example)[2:4] if part]
            assert all(("\x02".join(text) if isinstance(text, tuple) else text) in line for text in texts)


def test_skipped_rows_are_named(tmp_path: Path) -> None:
    BENCHMARKS["glue/qqp"]().write(tmp_path)
    recipe = load_recipe(RECIPES / "glue/qqp.yaml", overrides=[f"data.folder={tmp_path}"])
    (train,) = read_sets(recipe.data, "train", recipe.signature.labels)
    assert train.report.lines() == [
        "28 rows, 24 examples",
        f"skipped: 2 for too few fields ({tmp_path}/train.tsv line 12; {tmp_path}/train.tsv line 13)",
        f"skipped: 1 for empty text_b ({tmp_path}/train.tsv line 14)",
        f"skipped: 1 for empty label ({tmp_path}/train.tsv line 15)",
    ]


def test_files_that_the_release_converted_are_read_with_their_columns_named(tmp_path: Path) -> None:
    made = mnli()
    codes = {"contradiction": "0", "neutral": "1", "entailment": "2"}
    rows = [[first, second, codes[label]] for first, second, label, _ in made.sets["train"]]
    made.table("train.tsv", rows, "text_a text_b label")
    made.write(tmp_path)
    columns = "{text_a: text_a, text_b: text_b, label: label}"
    label_map = json.dumps({code: label for label, code in codes.items()})
    overrides = [f"data.folder={tmp_path}", f"data.reading.columns={columns}", "data.reading.fields=[3]"]
    recipe = load_recipe(RECIPES / "glue/mnli.yaml", overrides=[*overrides, f"data.label_map={label_map}"])
    (train,) = read_sets(recipe.data, "train", recipe.signature.labels)
    assert [values(example) for example in train.examples] == made.sets["train"]

    made = cola()
    made.table("train.tsv", [[label, text] for text, _, label, _ in made.sets["train"]], "label text_a")
    made.write(tmp_path)
    reading = "{format: tsv, columns: {text_a: text_a, label: label}}"
    recipe = load_recipe(RECIPES / "glue/cola.yaml", overrides=[f"data.folder={tmp_path}", f"data.reading={reading}"])
    (train,) = read_sets(recipe.data, "train", recipe.signature.labels)
    assert [values(example) for example in train.examples] == made.sets["train"]


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_rows_of_a_split_are_its_first_examples_and_leave_other_splits_alone(split: str, tmp_path: Path) -> None:
    cola().write(tmp_path)
    whole, cut = (
        load_recipe(RECIPES / "glue/cola.yaml", overrides=[f"data.folder={tmp_path}", *rows])
        for rows in ([], [f"data.{split}_rows=5"])
    )
    found = all_sets(cut.data, cut)
    for name, loaded in all_sets(whole.data, whole).items():
        assert len(loaded.examples) > 5
        assert found[name].examples == loaded.examples[: 5 if name == split else None]


def test_labels_are_spread_over_all_classes(tmp_path: Path) -> None:
    """The files above exercise each class of each recipe, so that no label of a recipe is mistyped."""
    for name, make in BENCHMARKS.items():
        labels = load_recipe(RECIPES / f"{name}.yaml").signature.labels
        train = make().sets.get("train", [])
        if labels and train and name != "ernie_zh/msra_ner":
            met = Counter(value for row in train for value in row if isinstance(value, str) and value in labels)
            assert set(met) == set(labels), name
