"""The bag-of-words baseline: what it can learn and what it must not."""

import shutil
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from real_text_support import RealText

from data_builders.annotation.features import CAPITALIZATION
from data_builders.baseline import measure
from data_builders.commands.baseline import last_scores
from ernie_paddle.cli import main
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.data.shard_writing import ShardWriter
from ernie_paddle.data.shards import Manifest
from ernie_paddle.data.spans import BI_TAGS
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import SentenceClassificationObjective, Task, TokenClassificationObjective

TASK = Task("toy", 8, SentenceClassificationObjective(["first", "second", "third"], head="toy"))


def write(folder: Path, leak: str) -> Path:
    """Write samples of two segments whose label depends on a word, a length, the order of words, or nothing."""
    random = np.random.default_rng(0)
    shards = ShardWriter(folder, "toy", "digest", 50, 24, {}, [TASK.objective.column])
    for split, samples in (("train", 1500), ("validation", 300)):
        labels = random.integers(0, 3, samples)
        ids, sentence_ids, lengths = [], [], []
        for label in labels.tolist():
            first, second = (random.integers(5, 50, random.integers(6, 9)) for _ in range(2))
            if leak == "word":
                second[3] = 40 + label
            elif leak == "length":
                second = random.integers(5, 50, 6 + 3 * label)
            elif leak == "segment":  # the same word in the first segment, in the second, in both
                for part in (first, second)[label % 2 : label % 2 + 1] if label < 2 else (first, second):
                    part[3] = 5
            elif leak == "order":
                first[2:4] = [5 + label, 5 + (label + 1) % 3]  # a pair of words, whose order matters
                first[4] = 5 + (label + 2) % 3
            ids.append(np.concatenate([[1], first, [2], second, [2]]))
            sentence_ids.append(np.repeat([0, 1], [len(first) + 2, len(second) + 1]))
            lengths.append(len(ids[-1]))
        columns = {"input_ids": np.concatenate(ids), "sentence_ids": np.concatenate(sentence_ids)}
        shards.write(split, "corpus", SampleBlock(np.array(lengths), columns, {"label": labels}))
    shards.finish()
    return folder


@pytest.mark.parametrize(
    ("leak", "least", "most"),
    [("word", 0.8, 1), ("length", 0.7, 1), ("segment", 0.8, 1), ("order", 0, 0.45), ("none", 0, 0.45)],
)
def test_the_baseline_learns_from_words_and_lengths_but_not_from_order(
    tmp_path: Path, leak: str, least: float, most: float
) -> None:
    found = measure(write(tmp_path, leak), TASK, seed=1)
    assert least <= found.accuracy <= most and found.labels == 300
    assert abs(found.unigram_loss - np.log(3)) < 0.02 and found.majority_accuracy < 0.4
    assert found == measure(tmp_path, TASK, seed=1), "the same seed gives the same values"


def test_samples_without_a_label_have_no_part(tmp_path: Path) -> None:
    """The scores are those of the labelled samples alone."""
    random, found = np.random.default_rng(0), []
    for name, unlabelled in (("all", 0), ("some", 70)):
        shards = ShardWriter(tmp_path / name, "toy", "digest", 50, 24, {}, [TASK.objective.column])
        for split in ("train", "validation"):
            labels = np.append(np.arange(210) % 3, np.full(unlabelled, -1))
            ids = np.stack([np.full(len(labels), 1), 40 + labels, np.full(len(labels), 2)], axis=1)
            order = random.permutation(len(labels))
            block = SampleBlock(np.full(len(labels), 3), {"input_ids": ids[order].ravel()}, {"label": labels[order]})
            shards.write(split, "corpus", block)
        shards.finish()
        found.append(measure(tmp_path / name, TASK, seed=1))
    assert [score.labels for score in found] == [210, 210] and [score.accuracy for score in found] == [1, 1]
    assert found[0].majority_accuracy == found[1].majority_accuracy == 1 / 3


def token_shards(folder: Path, shift: int) -> tuple[Path, dict[str, list[list[int]]]]:
    """Write samples whose tokens are labelled by the word at a given distance; return their folder and token ids."""
    random = np.random.default_rng(1)
    shards = ShardWriter(folder, "toy", "digest", 20, 24, {}, [BI_TAGS, CAPITALIZATION.column])
    written: dict[str, list[list[int]]] = {}
    for split, samples in (("train", 300), ("validation", 60)):
        written[split] = [[1, *random.integers(5, 20, 12).tolist(), 2] for _ in range(samples)]
        ids = np.array(written[split])
        labels = np.roll(ids, -shift, axis=1) % 2
        labels[:, [0, -1]] = -1
        columns = {
            "input_ids": ids.ravel(),
            "capitalization": labels.ravel(),
            "bi_tags": np.minimum(labels, 0).ravel(),
        }
        shards.write(split, "corpus", SampleBlock(np.full(samples, 14), columns))
    shards.finish()
    return folder, written


@pytest.mark.parametrize(("shift", "shows"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_the_label_of_a_token_shows_in_it_and_in_its_neighbours(tmp_path: Path, shift: int, shows: bool) -> None:
    folder, _ = token_shards(tmp_path, shift)
    found = measure(
        folder, Task("toy", 8, TokenClassificationObjective(["even", "odd"], "capitalization", "toy")), seed=1
    )
    assert found.labels == 60 * 12
    assert (
        found.accuracy > 0.9 if shows else found.accuracy < found.majority_accuracy + 4 * (0.25 / found.labels) ** 0.5
    )


def test_masked_words_are_guessed_by_how_often_they_follow_the_one_before(tmp_path: Path) -> None:
    """A recount: the mean of the word's share after the previous word and of its share among all words."""
    folder, written = token_shards(tmp_path, 0)
    pairs = Counter(pair for ids in written["train"] for pair in pairwise(ids[:-1]))
    before, words = Counter[int](), Counter[int]()
    for (first, second), count in pairs.items():
        before[first] += count
        words[second] += count
    total = sum(words[word] + 0.1 for word in range(20))
    losses = [
        -np.log(0.5 * pairs[first, second] / before[first] + 0.5 * (words[second] + 0.1) / total)
        for ids in written["validation"]
        for first, second in pairwise(ids[:-1])
    ]
    found = measure(folder, load_plugins().pretraining_tasks.get("knowledge_masking"), seed=1)
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5) and found.labels == len(losses)


def test_the_distance_of_sentences_does_not_show_in_their_words(real_text: RealText) -> None:
    task = load_plugins().pretraining_tasks.get("sentence_distance")
    found = measure(real_text.shards / "sentence_distance", task, seed=1)
    assert found.accuracy < found.majority_accuracy + 4 * (0.25 / found.labels) ** 0.5


def test_the_command_prints_all_tasks(real_text: RealText, capsys: pytest.CaptureFixture[str]) -> None:
    main(["baseline", str(real_text.shards)])
    table = capsys.readouterr().out
    for name in real_text.result.tasks:
        assert name in table


def test_scores_of_a_run_on_other_samples_are_left_out(
    toy_shards: Path, toy_pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = Path(shutil.copytree(toy_shards, tmp_path / "shards"))
    task = "knowledge_masking"
    loss = f"{last_scores(toy_pretrained)[task]['loss']:.3f}"
    main(["baseline", str(shards / task), "--run", str(toy_pretrained)])
    same = capsys.readouterr().out
    manifest = Manifest.load(shards / task)
    replace(manifest, origin={"seed": 2}).save(shards / task)
    main(["baseline", str(shards / task), "--run", str(toy_pretrained)])
    other = capsys.readouterr().out
    assert loss in same and "other samples" not in same
    assert f"trained on other samples of {task}; its score is left out" in other and loss not in other
