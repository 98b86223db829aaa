"""Discourse relation against a recount from the raw sentences of real documents."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from real_text_support import RawDocuments, RealText
from traced_corpora import VOCABULARY, Shape, TracedCorpora, Written, write_corpus

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.document import COLUMNS, AnnotatedDocument
from data_builders.annotation.sentences import sentences
from data_builders.build import build
from data_builders.builders.connectives import CHINESE, ENGLISH, NO_CONNECTIVE
from data_builders.builders.discourse_relation import (
    DiscourseRelationBuilder,
    DiscourseRelationOptions,
    capitalized,
)
from data_builders.composing import ComposeWorkItem, CountWorkItem, WorkItem
from data_builders.corpora_config import BuildSettings
from data_builders.documents import Document, Language
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.registry import load_plugins
from ernie_paddle.testing import toy_vocabulary

WORDS = ChineseWords()
CHINESE_MARKERS = [marker for group in CHINESE.values() for marker in group]
Pair = tuple[str, tuple[int, ...], tuple[int, ...]]


def build_pairs(real_text: RealText, out: Path, **options: int) -> Manifest:
    tasks = {"discourse_relation": {"corpora": ["zh", "en"], "options": options}}
    settings = {**real_text.settings, "max_length": 400, "tasks": tasks}
    build(check_settings(BuildSettings, settings, "settings"), out, Processes(1), load_plugins())
    return Manifest.load(out / "discourse_relation")


def labels_of(manifest: Manifest) -> list[str]:
    """The names of the classes of the samples."""
    column = manifest.column("label")
    assert column is not None
    return list(column.labels)


def pairs_in(real_text: RealText, folder: Path, split: str) -> Iterator[Pair]:
    manifest, table = Manifest.load(folder), SampleTable.open(folder, split)
    special = [real_text.vocabulary.cls_id, real_text.vocabulary.sep_id]
    for row in range(len(table)):
        block = table.take(np.array([row]))
        ids, segment = block.columns["input_ids"], block.columns["sentence_ids"]
        first, second = (tuple(ids[(segment == n) & ~np.isin(ids, special)].tolist()) for n in range(2))
        yield labels_of(manifest)[block.sample_columns["label"][0]], first, second


def opening(sentence: str, language: Language) -> tuple[str, str]:
    """Return the marker at the start of a raw sentence, and the sentence without it."""
    markers = ENGLISH if language == "en" else CHINESE_MARKERS
    for marker in sorted(markers, key=len, reverse=True):
        rest = sentence[len(marker) :]
        if not sentence.lower().startswith(marker):
            continue
        if rest[:1] in (",", "，"):
            return marker, rest[1:]
        if language == "zh" and rest and len(marker) in WORDS(sentence).starts.tolist():
            return marker, rest
    return NO_CONNECTIVE, sentence


def recount(real_text: RealText) -> Counter[Pair]:
    """Count every pair of adjacent sentences that fits into a sample."""
    tokenizer = real_text.vocabulary.tokenizer
    pairs: Counter[Pair] = Counter()
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        for document in real_text.sources[language].documents():
            lines = [line for paragraph in document.paragraphs for line in sentences(paragraph, language)]
            ids = [tuple(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines]
            kept = [(line, tokens) for line, tokens in zip(lines, ids, strict=True) if tokens]
            for (_, before), (line, _) in pairwise(kept):
                marker, rest = opening(line, language)
                if marker != NO_CONNECTIVE and line[0].isupper():
                    rest = rest.lstrip()
                    rest = rest[:1].upper() + rest[1:]
                second = tuple(tokenizer.encode(rest, add_special_tokens=False).ids)
                if len(second) >= 3 and max(len(before), len(second)) <= 198:
                    pairs[marker, before, second] += 1
    return pairs


@pytest.fixture(scope="module")
def built(either_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("discourse")
    build_pairs(either_text, out, least_per_marker=4)
    return out / "discourse_relation"


def test_pairs_and_markers_are_those_of_the_raw_text(either_text: RealText, built: Path) -> None:
    found = Counter(pair for split in SPLITS for pair in pairs_in(either_text, built, split))
    expected = recount(either_text)
    kept = set(labels_of(Manifest.load(built)))
    assert len(kept) > 5 and kept & set(ENGLISH) and kept & set(CHINESE_MARKERS)
    short = {pair for pair in found if max(map(len, pair[1:])) < 198}
    assert short <= expected.keys()
    for pair, count in expected.items():
        if pair[0] in kept and pair[0] != NO_CONNECTIVE:
            assert found[pair] == count, pair


def test_only_the_marker_was_between_the_two_sentences(real_text: RealText) -> None:
    """This includes sentences that are too long for their sample."""
    raw = RawDocuments(real_text)
    cut = 0
    for split in SPLITS:
        for name, first, second in pairs_in(real_text, real_text.shards / "discourse_relation", split):
            marker = "" if name == NO_CONNECTIVE else name
            gaps = {raw.between(a, b) for a, b in product(raw.places(first), raw.places(second))} - {None}
            assert marker in {str(gap).strip(" \n,，").lower() for gap in gaps}, (marker, gaps)
            cut += max(len(first), len(second)) > 40
    assert cut > 5


def test_no_second_sentence_begins_with_its_removed_marker(either_text: RealText, built: Path) -> None:
    for split in SPLITS:
        for marker, _, second in pairs_in(either_text, built, split):
            text = either_text.vocabulary.to_text(list(second)).lower()
            assert marker == NO_CONNECTIVE or not text.startswith((f"{marker} ,", f"{marker},", ",", "，")), text


def test_rare_markers_are_dropped(real_text: RealText, tmp_path: Path) -> None:
    many = build_pairs(real_text, tmp_path / "many", least_per_marker=4)
    few = build_pairs(real_text, tmp_path / "few", least_per_marker=12, most_per_marker=12)
    assert set(labels_of(few)) < set(labels_of(many)) and labels_of(few)[0] == NO_CONNECTIVE
    with pytest.raises(UserError, match="no marker has 100000 training pairs"):
        build_pairs(real_text, tmp_path / "none", least_per_marker=100000)
    assert not (tmp_path / "none" / "discourse_relation").exists()


def test_the_english_inventory_has_as_many_classes_as_the_paper() -> None:
    assert len({NO_CONNECTIVE, *ENGLISH}) == 174
    assert len(set(CHINESE_MARKERS)) == len(CHINESE_MARKERS) >= 60


def test_labelled_pairs_keep_their_labels_beside_mined_pairs(real_text: RealText, tmp_path: Path) -> None:
    lines = [p for document in real_text.sources["en"].documents() for p in document.paragraphs if len(p) < 200]
    given = [(first, second, f"sense {i % 3}") for i, (first, second) in enumerate(pairwise(lines[:120]))]
    (tmp_path / "pairs.tsv").write_text("".join("\t".join(pair) + "\n" for pair in given), encoding="utf-8")
    pairs = {"path": str(tmp_path / "pairs.tsv"), "format": "discourse_pairs", "language": "en"}
    tokenizer = real_text.vocabulary.tokenizer
    ids = {line: tuple(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines[:121]}
    expected = Counter((label, ids[first], ids[second]) for first, second, label in given)
    for corpora, name in ((["pairs"], "alone"), (["zh", "pairs"], "both")):
        settings = {
            **real_text.settings,
            "max_length": 400,
            "corpora": {**real_text.settings["corpora"], "pairs": pairs},
            "tasks": {"discourse_relation": {"corpora": corpora, "options": {"least_per_marker": 12}}},
        }
        build(check_settings(BuildSettings, settings, "settings"), tmp_path / name, Processes(1), load_plugins())
        folder = tmp_path / name / "discourse_relation"
        labels = labels_of(Manifest.load(folder))
        found = Counter(pair for split in SPLITS for pair in pairs_in(real_text, folder, split))
        assert Counter({pair: n for pair, n in found.items() if pair[0].startswith("sense")}) == expected
        senses = ["sense 0", "sense 1", "sense 2"]
        assert labels == senses if name == "alone" else (labels[0] == NO_CONNECTIVE and labels[-3:] == senses)


# ---- over made-up documents ----

PIECES = "However , un ##able Unable men M ##en left .".split()
SPELLINGS = replace(toy_vocabulary(PIECES), lower_case=False)


@pytest.mark.parametrize(
    ("rest", "as_sentence"),
    [("unable men left.", "Unable men left."), ("men left.", "Men left."), ("men", "Men"), (". left", ". left")],
    ids=["fewer pieces", "more pieces", "nothing else", "no letter"],
)
def test_the_rest_of_a_sentence_has_the_columns_of_a_sentence(rest: str, as_sentence: str) -> None:
    def annotated(text: str) -> AnnotatedDocument:
        document = Document("0", [text], "en", "test")
        return Annotator(SPELLINGS, "en").annotate([document]).document(0, 0)

    whole, expected = annotated(f"However, {rest}").columns, annotated(as_sentence).columns
    found = capitalized(whole.part(2, whole.tokens), SPELLINGS)
    for name in COLUMNS:
        assert found.of(name).tolist() == expected.of(name).tolist(), name


def test_a_word_that_is_unknown_with_a_capital_letter_is_left_as_it_is() -> None:
    document = Annotator(SPELLINGS, "en").annotate([Document("0", ["However, left."], "en", "test")]).document(0, 0)
    rest = document.columns.part(2, 4)
    assert capitalized(rest, SPELLINGS).of("input_ids").tolist() == rest.of("input_ids").tolist()


def test_long_sentences_are_cut_at_their_outer_sides_and_inside_no_span(tmp_path: Path) -> None:
    """Spans have 3 tokens and a segment holds 14, so that 12 tokens are kept of a long sentence, all of a short one."""
    corpora = TracedCorpora(tmp_path)
    corpora.write("pairs", [Shape(lengths, "so") for lengths in ((21, 17), (14, 14), (15, 15), (3, 40))], span=3)
    builder = DiscourseRelationBuilder(31, DiscourseRelationOptions(), VOCABULARY)
    builder.fit(Counter({"labelled so": 4}))
    samples = corpora.samples(corpora.composing(builder, {"pairs": "zh"}, share=1e-9))
    places = [[[token.place for token in segment] for segment in sample.segments] for sample in samples]
    assert places == [
        [list(range(9, 21)), list(range(12))],
        [list(range(14)), list(range(14))],
        [list(range(3, 15)), list(range(12))],
        [list(range(3)), list(range(12))],
    ]


MADE = toy_vocabulary("however meanwhile overall instead , x y z".split())


def test_pairs_are_subsampled_to_the_number_that_is_asked_for(tmp_path: Path) -> None:
    """A quarter of a frequent marker's pairs is kept, all of a rare one's; `[no-conn]` keeps as many as the first."""
    x, y, z, comma = (MADE.ids[word] for word in "xyz,")
    openings = {"however": 1200, "meanwhile": 300, "overall": 99}
    seconds = [[MADE.ids[marker], comma, x, y, z] for marker, count in openings.items() for _ in range(count)]
    seconds += [[MADE.ids["instead"], x, y, z]] * 700 + [[x, y, z]] * 700  # without a comma it is none
    seconds += [[MADE.ids["however"], comma, x, y]] * 500 + [[x, y]] * 500  # too short without the marker
    write_corpus(tmp_path / "made", [Written([[x, y, z, x], second]) for second in seconds], per_work_item=500)
    builder = DiscourseRelationBuilder(31, DiscourseRelationOptions(least_per_marker=100, most_per_marker=300), MADE)
    composing = ComposeWorkItem(builder, (), (tmp_path / "made",), ("en",), MADE, 1, 1e-9)
    items = [WorkItem(0, number) for number in range(8)]
    counts = sum((CountWorkItem(builder, composing)(item) for item in items), Counter[str]())
    assert counts == {**openings, NO_CONNECTIVE: 1400}
    builder.fit(counts)
    assert builder.labels == (NO_CONNECTIVE, "however", "meanwhile")
    assert builder.notes == ("2 markers kept; 1 have fewer than 100 training pairs: overall 99",)
    found = Counter[int]()
    for item in items:
        block = composing(item).blocks["train"]
        found.update(block.sample_columns["label"].tolist())
        starts = np.cumsum(block.lengths) - block.lengths
        first_of_second = block.columns["input_ids"][starts + 6]
        kept = np.isin(first_of_second, [x, MADE.ids["instead"]])
        assert kept.all() and (block.sample_columns["label"][first_of_second != x] == 0).all(), (
            "marker and comma are taken away"
        )
    assert found[2] == 300
    assert abs(found[0] - 300) < 4 * (1400 * (3 / 14) * (11 / 14)) ** 0.5
    assert abs(found[1] - 300) < 4 * (1200 * (1 / 4) * (3 / 4)) ** 0.5


def test_classes_of_labelled_pairs_that_are_mined_too_are_one(tmp_path: Path) -> None:
    corpora = TracedCorpora(tmp_path)
    corpora.write("pairs", [Shape((5, 5), label) for label in ("however", "so", "rare")])
    builder = DiscourseRelationBuilder(31, DiscourseRelationOptions(), VOCABULARY)
    builder.fit(Counter({NO_CONNECTIVE: 300, "however": 200, "labelled however": 1, "labelled so": 1}))
    composing = corpora.composing(builder, {"pairs": "en"}, share=1e-9)
    assert builder.labels == (NO_CONNECTIVE, "however", "so")
    assert [sample.label for sample in corpora.samples(composing)] == [1, 2]
    assert composing(WorkItem(0, 0)).dropped == {"a class that no training pair has": 1}
