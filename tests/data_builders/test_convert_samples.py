"""The samples of the original release: converted to shards and back, byte for byte."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import assert_user_error, released, run_command

from data_builders.release_lines import read_blocks
from ernie_paddle.data.shards import SPLITS
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.testing import write_toy_model
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.training.log_file import LOG_FILE, read_log


def write_gz(path: Path, lines: list[str]) -> Path:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def random_lines(count: int) -> list[str]:
    random = np.random.default_rng(0)
    lines = []
    for _ in range(count):
        length = int(random.integers(3, 20))
        ids = [1, *random.integers(5, 60, length).tolist(), 2]
        bi_tags = [-1, 0, *random.integers(0, 2, length - 1).tolist(), -1]
        sentences = [0] * (len(ids) // 2) + [1] * (len(ids) - len(ids) // 2)
        fields = [ids, sentences, range(len(ids)), bi_tags, random.integers(0, 2, 1).tolist()]
        lines.append(";".join(" ".join(map(str, field)) for field in fields))
    return lines


def test_lines_convert_to_shards_and_back(tmp_path: Path, toy_vocabulary: Vocabulary) -> None:
    toy_vocabulary.save(tmp_path / "vocab.txt")
    lines = random_lines(300)
    source = write_gz(tmp_path / "lines.gz", [*lines, *lines[:50]])
    shards = tmp_path / "shards"
    done = run_command("convert-samples", source, "--vocab", tmp_path / "vocab.txt", "--out", shards)
    assert done.returncode == 0, done.stderr
    found = {}
    for split in SPLITS:
        out = tmp_path / f"{split}.gz"
        assert (
            run_command("convert-samples", shards / "knowledge_masking", "--out", out, "--split", split).returncode == 0
        )
        found[split] = gzip.decompress(out.read_bytes()).decode().splitlines()
    assert sorted(found["train"] + found["validation"]) == sorted([*lines, *lines[:50]])
    assert not set(found["train"]) & set(found["validation"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2;0 0;0 1;-1 -1", "line 2: 4 fields"),
        ("1 2;0 0;0 1;-1 x;0", "line 2: expected integers only"),
        ("1 2;0 0;0 1;-1;0", r"line 2: fields of \[2, 2, 2, 1, 1\] numbers"),
        ("1 99;0 0;0 1;-1 -1;0", "line 2: token_ids from 1 to 99, expected 0 to 59"),
        ("1 2;0 0;0 1;-1 3;0", "line 2: bi_tags"),
    ],
)
def test_a_line_that_is_not_a_sample_is_reported_by_its_number(
    tmp_path: Path, toy_vocabulary: Vocabulary, line: str, message: str
) -> None:
    path = write_gz(tmp_path / "lines.gz", [random_lines(1)[0], line])
    with pytest.raises(UserError, match=rf"lines\.gz {message}"):
        list(read_blocks(path, toy_vocabulary))


def test_files_that_cannot_be_read_leave_nothing_behind(tmp_path: Path, toy_vocabulary: Vocabulary) -> None:
    toy_vocabulary.save(tmp_path / "vocab.txt")
    whole = write_gz(tmp_path / "whole.gz", random_lines(50)).read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "plain.gz").write_text("1 2;0 0;0 1;-1 -1;0\n")
    for name, word in (("cut.gz", "not a complete gzip"), ("plain.gz", "not a complete gzip"), ("no.gz", "not found")):
        done = run_command(
            "convert-samples", tmp_path / name, "--vocab", tmp_path / "vocab.txt", "--out", tmp_path / "out"
        )
        assert_user_error(done.returncode, done.stderr, name, word)
    assert not list(tmp_path.glob("out/*"))


def test_the_released_samples_can_be_trained_on(tmp_path: Path, write_plan: Callable[..., Path]) -> None:
    shards, vocab = tmp_path / "shards", released("vocab_zh.txt")
    done = run_command("convert-samples", released("demo_train_set.gz"), "--vocab", vocab, "--out", shards)
    assert done.returncode == 0, done.stderr
    splits = read_json(shards / "knowledge_masking" / "manifest.json", "manifest")["splits"]
    assert sum(shard["samples"] for shards in splits.values() for shard in shards) == 10_000
    model = write_toy_model(tmp_path / "model.json", 18000, max_position_embeddings=513)
    plan = write_plan(
        model={"config": str(model)},
        data={"shards": str(shards)},
        plan={"tasks": {"knowledge_masking": {"steps": 30}}},
        train={"batch_tokens": 2048, "learning_rate": {"peak": 0.02}, "validation_samples": 100},
    )
    done = run_command("pretrain", plan, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    records = [record for record in read_log(tmp_path / "run" / LOG_FILE) if "tasks" in record]
    losses = [record["tasks"]["knowledge_masking"]["loss"] for record in records]
    assert losses[-1] < losses[0] - 0.5
