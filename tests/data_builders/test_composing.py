"""Composing: the keys of random draws, the documents that are held out, and what a work item depends on."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traced_corpora import FIRST, VOCABULARY, Shape, TracedCorpora

from data_builders.annotation.document import TokenColumns
from data_builders.builders.builder import SampleDraft
from data_builders.builders.ir_relevance import IrRelevanceBuilder, IrRelevanceOptions
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from data_builders.builders.sentence_distance import SentenceDistanceBuilder, SentenceDistanceOptions
from data_builders.builders.sentence_reordering import SentenceReorderingBuilder, SentenceReorderingOptions
from data_builders.composing import CountWorkItem, WorkItem, to_samples, validation_mask
from ernie_paddle.config import NoOptions
from ernie_paddle.data.schema import Column
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary


class SameSamplesOtherTask(SentenceReorderingBuilder):
    name = "other"


@pytest.fixture
def corpora(tmp_path: Path) -> TracedCorpora:
    """Two corpora of documents that all have the same shape."""
    made = TracedCorpora(tmp_path)
    for name in ("one", "two"):
        made.write(name, [Shape((4,) * 20)] * 24, per_work_item=12)
    return made


def test_seed_task_corpus_and_work_item_key_the_draws(corpora: TracedCorpora) -> None:
    """If any of them differs, the same documents get other labels."""

    def labels(
        task: type[SentenceReorderingBuilder] = SentenceReorderingBuilder,
        seed: int = 1,
        corpus: str = "one",
        work_item: int = 0,
    ) -> list[int]:
        builder = task(40, SentenceReorderingOptions(), VOCABULARY)
        composing = corpora.composing(builder, {corpus: "zh"}, seed=seed, share=1e-9)
        return [sample.label for sample in corpora.samples(composing, corpus=0, number=work_item)]

    keyed = [labels(), labels(SameSamplesOtherTask), labels(seed=2), labels(corpus="two"), labels(work_item=1)]
    assert {len(found) for found in keyed} == {24} and len({tuple(found) for found in keyed}) == 5
    assert labels() == labels()


def test_a_work_item_gives_the_same_whatever_was_composed_before_it(corpora: TracedCorpora) -> None:
    def distance() -> SentenceDistanceBuilder:
        return SentenceDistanceBuilder(31, SentenceDistanceOptions(different_documents="language"), VOCABULARY)

    languages = {"one": "zh", "two": "zh"}
    items = [WorkItem(corpus, number) for corpus in range(2) for number in range(2)]
    several = corpora.composing(distance(), languages)
    for item in [*items, *reversed(items)]:
        found, alone = several(item), corpora.composing(distance(), languages)(item)
        assert {s: b.digest() for s, b in found.blocks.items()} == {s: b.digest() for s, b in alone.blocks.items()}


def test_held_out_documents_are_the_asked_share_by_their_group_and_seed() -> None:
    groups = np.random.default_rng(0).integers(0, 1 << 62, 40_000)
    for share in (0.02, 0.3):
        held = validation_mask(groups, share, seed=1)
        error = (len(groups) * share * (1 - share)) ** 0.5
        assert abs(held.sum() - len(groups) * share) < 4 * error
        other = validation_mask(groups, share, seed=2)
        both = len(groups) * share**2
        assert abs((held & other).sum() - both) < 5 * both**0.5, "another seed holds out others, by chance the same"
        again = np.random.default_rng(1).permutation(len(groups))
        assert (validation_mask(groups[again], share, seed=1) == held[again]).all(), (
            "the place in the corpus has no part"
        )


def test_the_same_documents_are_held_out_of_every_task(corpora: TracedCorpora) -> None:
    sides = []
    for builder in (
        SentenceReorderingBuilder(40, SentenceReorderingOptions(), VOCABULARY),
        SentenceDistanceBuilder(31, SentenceDistanceOptions(), VOCABULARY),
        KnowledgeMaskingBuilder(31, NoOptions(), VOCABULARY),
    ):
        held = corpora.samples(corpora.composing(builder, {"one": "zh"}), "validation")
        sides.append({token.document for sample in held for segment in sample.segments for token in segment})
    expected = np.flatnonzero(validation_mask(np.arange(24), 0.3, seed=1)).tolist()
    assert sides == [set(expected)] * 3 and 1 < len(expected) < 12


def test_running_text_holds_every_token_once_in_its_order(corpora: TracedCorpora) -> None:
    made = TracedCorpora(corpora.folder / "long")
    made.write("text", [Shape((30, 2, 29, 1, 1, 75, 4, 6, 15, 14))], span=4)
    samples = made.samples(
        made.composing(KnowledgeMaskingBuilder(31, NoOptions(), VOCABULARY), {"text": "zh"}, share=1e-9)
    )
    tokens = [token.of_document for sample in samples for token in sample.segments[0]]
    assert tokens == list(range(177))
    # Filled greedily with whole sentences of 29 tokens together at most, longer ones cut at their spans of four.
    assert [sample.length - 2 for sample in samples] == [28, 4, 29, 2, 28, 28, 29, 29]


def test_unknown_tokens_and_documents_without_a_sample_are_counted(corpora: TracedCorpora) -> None:
    corpora.write("short", [Shape((4,)), Shape((3, 3)), Shape((4, 4, 4)), Shape((50, 50, 50))], per_work_item=4)
    composed = corpora.composing(
        SentenceReorderingBuilder(40, SentenceReorderingOptions(), VOCABULARY), {"short": "zh"}, share=1e-9
    )(WorkItem(0, 0))
    assert composed.dropped == {"fewer than 3 sentences": 2, "no 3 consecutive sentences within 40 tokens": 1}
    assert composed.unknown_tokens == 0 and len(composed.blocks["train"]) == 1
    kept = composed.blocks["train"].columns["input_ids"]
    token = VOCABULARY.tokens[int(kept[kept >= FIRST][0])]
    ids = {**VOCABULARY.ids, "[UNK]": VOCABULARY.ids[token], token: VOCABULARY.unk_id}
    composing = corpora.composing(
        SentenceReorderingBuilder(40, SentenceReorderingOptions(), VOCABULARY), {"short": "zh"}, share=1e-9
    )
    object.__setattr__(composing, "vocabulary", Vocabulary(ids))
    assert composing(WorkItem(0, 0)).unknown_tokens == 1


def test_only_training_documents_are_counted_before_composing(corpora: TracedCorpora) -> None:
    labels = ["clicked", "shown", "shown"]
    corpora.write("log", [Shape((4, 4), label=labels[i % 3]) for i in range(60)], per_work_item=60)
    builder = IrRelevanceBuilder(31, IrRelevanceOptions(), VOCABULARY)
    counts = CountWorkItem(builder, corpora.composing(builder, {"log": "zh"}))(WorkItem(0, 0))
    held = validation_mask(np.arange(60), 0.3, seed=1)
    assert counts == Counter(labels[i % 3] for i in range(60) if not held[i]) and 5 < held.sum() < 40


OWN = (Column("part", "token", ("a", "b")), Column("degree", "sentence", ("low", "high")))


def drafts(values: dict[str, Any], second: dict[str, Any], tokens: int = 3, label: int = -1) -> list[SampleDraft]:
    """Two samples of three tokens with the values of a builder."""
    flat = {"input_ids": np.arange(FIRST, FIRST + 3)}
    given = [{"part": np.zeros(3, np.int64), "degree": 1} | changed for changed in (values, second)]
    return [SampleDraft([TokenColumns(flat, 0, tokens)] if tokens else [], label, columns) for columns in given]


def test_the_values_of_a_builder_stand_at_its_tokens() -> None:
    samples = to_samples(drafts({"part": np.array([1, -1, 0])}, {"degree": -1}), (), OWN, VOCABULARY)
    assert samples.columns["part"].tolist() == [-1, 1, -1, 0, -1, -1, 0, 0, 0, -1]
    assert samples.sample_columns["degree"].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (drafts({"part": np.zeros(2)}, {}), "'part': 2 values for 3 tokens"),
        (drafts({"part": np.zeros(2)}, {"part": np.zeros(4)}), "'part': 2 values for 3 tokens"),
        (drafts({"part": 1}, {"part": 1}), "'part': 1 values for 3 tokens"),
        (drafts({"degree": np.zeros(1)}, {}), "'degree': 1 values for a sample, in the shape"),
        (drafts({"part": np.full(3, 256)}, {}), "'part': 256, expected -1 to 1"),
        (drafts({"part": np.full(3, 0.5)}, {}), "'part': 0.5, expected -1 to 1"),
        (drafts({"degree": 0.5}, {}), "'degree': 0.5, expected -1 to 1"),
        (drafts({"degree": 2}, {}), "'degree': 2, expected -1 to 1"),
        (drafts({"parts": np.zeros(3)}, {}), "values for a column 'parts', which their builder does not declare"),
        (drafts({}, {}, tokens=0), "a sample has no segments"),
        (drafts({}, {}, label=1), "samples have a label, but their builder declares no column 'label'"),
    ],
)
def test_values_that_are_not_as_declared_are_a_mistake_of_the_builder(made: list[SampleDraft], message: str) -> None:
    """None is cut, repeated, rounded or wrapped: 256 would become 0 in 8 bits."""
    with pytest.raises(UserError, match=message):
        to_samples(made, (), OWN, VOCABULARY)
