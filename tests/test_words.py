"""The words of code, configs and pages are those of the field, and a name means one thing."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("ernie_paddle", "tasks", "data_builders", "configs", "tools", "docs", "tests")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
# What is written instead of the key.
INSTEAD = {
    r"updates": "steps",
    r"(warmup|log|save)_(updates|every)": "warmup_steps, logging_steps, save_steps",
    r"companions?|always_companion": "auxiliary tasks",
    r"rid(e|es|ing) along": "auxiliary losses",
    r"rectang(le|les|ular)|\w+_of_cell|cell_of_\w+": "padded layout",
    r"leads|take_from_first|of_first|add_sums": "is_main_process, broadcast_from_rank0, broadcast, all_reduce",
    r"left_out": "skipped_steps",
    r"answers_are|ranks_by|chosen_on|chooser": "prediction_types, selection_metric, selected_on",
    r"by frequency": "unigram",
    r"kinds? of fine-tuning|FinetuningKind": "fine-tuning task",
    r"stretch|stretches": "chunks",
    r"span_codes|span codes": "BI tags",
    r"settle|settled": "fit",
    r"corpora file|plan file": "corpora config, plan config",
    r"whole checkpoint": "complete checkpoint",
    r"passed over|left aside|goes on from": "skipped, unused, resumes from",
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """All code, configs and pages but this file, by name."""
    paths = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".md") and path != Path(__file__)
    ]
    assert len(paths) > 400
    paths += [ROOT / page for page in PAGES]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize("word", INSTEAD)
def test_words_of_ours_for_what_the_field_has_a_word_for_are_not_used(word: str, texts: dict[str, str]) -> None:
    pattern = re.compile(rf"(?<![\w-])({word})(?![\w-])")
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], f"write: {INSTEAD[word]}"


def test_names_of_classes_and_type_aliases_have_one_meaning() -> None:
    """Only type variables of one name may be in several modules."""
    meanings: dict[str, set[str]] = defaultdict(set)
    for path in (
        path for package in ("ernie_paddle", "tasks", "data_builders") for path in (ROOT / package).rglob("*.py")
    ):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                meanings[node.name].add(f"class of {path.relative_to(ROOT)}:{node.lineno}")
            elif isinstance(node, ast.Assign) and re.fullmatch("([A-Z][a-z]+)+", name := ast.unparse(node.targets[0])):
                value = ast.unparse(node.value)
                meanings[name].add(
                    "type variable" if value.startswith("TypeVar") else f"alias of {path.relative_to(ROOT)}"
                )
    assert len(meanings) > 300
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
