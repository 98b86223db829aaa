"""Showing and checking shards."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from real_text_support import RealText

from ernie_paddle.cli import main
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable


def test_samples_are_shown_with_class_names_and_a_random_masking(
    real_text: RealText, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["inspect", str(real_text.shards / "sentence_distance"), "--n", "40"])
    lines = capsys.readouterr().out.splitlines()
    assert "sentence_distance, train" in lines[0]
    shown = [line for line in lines if "   label " in line]
    assert len(shown) == 40 and all("[CLS]|" in line and "[SEP]" in line for line in shown)
    for label in ("0 (adjacent)", "1 (same document)", "2 (different documents)"):
        assert any(line.endswith(label) for line in shown)
    masked = [line for line in lines if line.startswith("   masked: ")]
    assert len(masked) == 40 and sum("[MASK]" in line for line in masked) > 30  # in a short one nothing may be masked


def test_phrases_and_names_are_marked(real_text: RealText, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(real_text.shards / "knowledge_masking"), "--n", "20"])
    shown = capsys.readouterr().out
    assert "|*" in shown and "|+" in shown


@pytest.mark.parametrize(
    ("task", "column", "classes"),
    [
        ("capitalization", "capitalization", "/0 lower-case, /1 capitalized"),
        ("token_document_relation", "token_document", "/0 here only, /1 elsewhere too"),
    ],
)
def test_each_token_is_shown_with_its_label(
    task: str, column: str, classes: str, real_text: RealText, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["inspect", str(real_text.shards / task), "--n", "15"])
    lines = capsys.readouterr().out.splitlines()
    assert "named entity" in lines[1] and "[MASK]" in lines[1] and f"{column} {classes}" in lines[2]
    shown = [line.strip().removeprefix(f"{column}: ") for line in lines if line.startswith(f"   {column}: ")]
    assert len(shown) > 10
    table = SampleTable.open(real_text.shards / task, "train")
    samples = [table.take(np.array([row])).columns for row in range(15)]
    expected, found = [], []
    for columns in samples:
        tokens = [real_text.vocabulary.tokens[index].removeprefix("##") for index in columns["input_ids"].tolist()]
        labels = columns[column].tolist()
        if set(labels) != {-1}:
            expected.append([(sign, label) for token, label in zip(tokens, labels, strict=True) for sign in token])
    for line in shown:
        parts = [(part[:-2], int(part[-1])) if part[-2:] in ("/0", "/1") else (part, -1) for part in line.split("|")]
        found.append([(sign, label) for text, label in parts for sign in text.replace(" ", "")])
    assert found == expected


def test_a_folder_of_several_tasks_is_shown_as_tables(
    real_text: RealText, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    main(["inspect", str(real_text.shards)])
    lines = capsys.readouterr().out.splitlines()
    for task, counts in real_text.result.tasks.items():
        row, first = [number for number, line in enumerate(lines) if line.startswith(f"│ {task} ")]
        row, *corpora = [[cell.strip() for cell in lines[n].split("│")[1:-1]] for n in (row, first, first + 1)]
        tokens = sum(counts.tokens.values())
        size = sum(path.stat().st_size for path in (real_text.shards / task).rglob("*.arrow"))
        numbers = [f"{n:,}" for n in (counts.samples["train"], counts.samples["validation"], tokens)]
        assert row[:5] == [task, *numbers, f"{size / tokens:.1f}"]
        assert row[5].startswith("bi_tags, span_kinds, capitalization")
        assert [cells[:2] for cells in corpora] == [[task, "zh"], ["", "en"]]
        by_corpus = [[int(cell.replace(",", "")) for cell in cells[2:]] for cells in corpora]
        assert [sum(column) for column in zip(*by_corpus, strict=True)] == [*counts.samples.values(), tokens]


def test_valid_shards_pass_the_check(real_text: RealText, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "--check", str(real_text.shards)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(real_text.result.tasks) and all("valid" in line for line in lines)


def rewritten(real_text: RealText, out: Path, column: str, row: int, value: int) -> Path:
    """Shards of sentence distance with one changed value in a row, and a manifest with matching checksums.

    The writer is told of more tokens and classes than there are, so that it accepts the value.
    """
    folder = real_text.shards / "sentence_distance"
    manifest = Manifest.load(folder)
    declared = manifest.columns
    shutil.copy(real_text.shards / "vocab.txt", out / "vocab.txt")
    shards = ShardWriter(
        out / "sentence_distance",
        manifest.task,
        manifest.vocabulary_digest,
        100_000,
        manifest.max_length,
        manifest.origin,
        [replace(c.declaration, labels=(*c.labels, "more") if c.name == "label" else c.labels) for c in declared],
        samples_per_shard=50,
    )
    for split in SPLITS:
        table = SampleTable.open(folder, split)
        block = table.take(np.arange(len(table)))
        if column == "label":
            block.sample_columns["label"][row] = value
        else:
            block.columns[column][int(block.lengths[:row].sum()) + 2] = value
        shards.write(split, "corpus", block)
    replace(shards.finish(), columns=declared).save(out / "sentence_distance")
    return out / "sentence_distance"


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("input_ids", 99999, "expected 0 to"),
        ("label", 3, "expected -1 to 2"),
    ],
)
def test_the_first_fault_is_named_by_file_row_and_column(
    real_text: RealText, tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, value: int, expected: str
) -> None:
    folder = rewritten(real_text, tmp_path, column, 60, value)
    with pytest.raises(SystemExit) as stop:
        main(["inspect", "--check", str(folder)])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert f"train/shard-00001.arrow row 10 column {column}: {value}, {expected}" in message
