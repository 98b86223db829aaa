"""Discourse relation against a recount from the raw sentences of real documents."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from real_text_support import RawDocuments, RealText

from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.sentences import sentences
from data_builders.build import BuildSettings, build
from data_builders.builders.connectives import CHINESE, ENGLISH, NO_CONNECTIVE
from data_builders.documents import Language
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.registry import load_plugins

WORDS = ChineseWords()
CHINESE_MARKERS = [marker for group in CHINESE.values() for marker in group]
Pair = tuple[str, tuple[int, ...], tuple[int, ...]]


def build_pairs(real_text: RealText, out: Path, **options: int) -> Manifest:
    tasks = {"discourse_relation": {"corpora": ["zh", "en"], "options": options}}
    settings = {**real_text.settings, "max_length": 400, "tasks": tasks}
    build(check_settings(BuildSettings, settings, "settings"), out, Processes(1), load_plugins())
    return Manifest.load(out / "discourse_relation")


def pairs_in(real_text: RealText, folder: Path, split: str) -> Iterator[Pair]:
    manifest, table = Manifest.load(folder), SampleTable.open(folder, split)
    special = [real_text.vocabulary.cls_id, real_text.vocabulary.sep_id]
    for row in range(len(table)):
        block = table.take(np.array([row]))
        ids, segment = block.columns["input_ids"], block.columns["sentence_ids"]
        first, second = (tuple(ids[(segment == n) & ~np.isin(ids, special)].tolist()) for n in range(2))
        yield manifest.labels[block.labels[0]], first, second


def opening(sentence: str, language: Language) -> tuple[str, str]:
    """The marker that a raw sentence opens with, and the sentence without it."""
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
    """Every pair of neighbouring sentences that fits into a sample, as often as it occurs."""
    tokenizer = real_text.vocabulary.tokenizer()
    pairs: Counter[Pair] = Counter()
    languages: tuple[Language, ...] = ("zh", "en")
    for language in languages:
        for document in real_text.sources[language].documents():
            lines = [line for paragraph in document.paragraphs for line in sentences(paragraph, language)]
            ids = [tuple(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines]
            kept = [(line, tokens) for line, tokens in zip(lines, ids, strict=True) if tokens]
            for (_, before), (line, _) in pairwise(kept):
                marker, rest = opening(line, language)
                second = tuple(tokenizer.encode(rest, add_special_tokens=False).ids)
                if len(second) >= 3 and max(len(before), len(second)) <= 198:
                    pairs[marker, before, second] += 1
    return pairs


@pytest.fixture(scope="module")
def built(real_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("discourse")
    build_pairs(real_text, out, least_per_marker=4)
    return out / "discourse_relation"


def test_pairs_and_markers_are_those_of_the_raw_text(real_text: RealText, built: Path) -> None:
    found = Counter(pair for split in SPLITS for pair in pairs_in(real_text, built, split))
    expected = recount(real_text)
    kept = set(Manifest.load(built).labels)
    assert len(kept) > 5 and kept & set(ENGLISH) and kept & set(CHINESE_MARKERS)
    short = {pair for pair in found if max(map(len, pair[1:])) < 198}
    assert short <= expected.keys()
    for pair, count in expected.items():
        if pair[0] in kept and pair[0] != NO_CONNECTIVE:
            assert found[pair] == count, pair


def test_nothing_but_the_marker_stands_between_the_two_sentences(real_text: RealText) -> None:
    """Also where sentences are too long for their samples."""
    raw = RawDocuments(real_text)
    cut = 0
    for split in SPLITS:
        for name, first, second in pairs_in(real_text, real_text.shards / "discourse_relation", split):
            marker = "" if name == NO_CONNECTIVE else name
            gaps = {raw.between(a, b) for a, b in product(raw.places(first), raw.places(second))} - {None}
            assert marker in {str(gap).strip(" \n,，").lower() for gap in gaps}, (marker, gaps)
            cut += max(len(first), len(second)) > 40
    assert cut > 5


def test_no_second_sentence_opens_with_the_marker_it_was_robbed_of(real_text: RealText, built: Path) -> None:
    for split in SPLITS:
        for marker, _, second in pairs_in(real_text, built, split):
            text = real_text.vocabulary.to_text(list(second))
            assert marker == NO_CONNECTIVE or not text.startswith((f"{marker} ,", f"{marker},", ",", "，")), text


def test_rare_markers_are_left_out_and_named_and_frequent_ones_thinned(real_text: RealText, tmp_path: Path) -> None:
    many = build_pairs(real_text, tmp_path / "many", least_per_marker=4)
    few = build_pairs(real_text, tmp_path / "few", least_per_marker=12, most_per_marker=12)
    assert set(few.labels) < set(many.labels) and few.labels[0] == NO_CONNECTIVE
    counts = {few.labels[int(label)]: count for label, count in few.label_counts.items()}
    assert all(count < 12 + 5 * 12**0.5 + 12 for count in counts.values()), counts  # 12 of training, and validation
    with pytest.raises(UserError, match="no marker opens 100000 training sentences"):
        build_pairs(real_text, tmp_path / "none", least_per_marker=100000)
    assert not (tmp_path / "none" / "discourse_relation").exists()


def test_the_inventory_has_the_size_of_the_paper_s() -> None:
    assert len({NO_CONNECTIVE, *ENGLISH}) == 174
    assert len(set(CHINESE_MARKERS)) == len(CHINESE_MARKERS) >= 60


def test_labelled_pairs_are_taken_as_they_are_beside_mined_ones(real_text: RealText, tmp_path: Path) -> None:
    lines = [p for document in real_text.sources["en"].documents() for p in document.paragraphs if len(p) < 200]
    given = [(first, second, f"sense {i % 3}") for i, (first, second) in enumerate(pairwise(lines[:120]))]
    (tmp_path / "pairs.tsv").write_text("".join("\t".join(pair) + "\n" for pair in given), encoding="utf-8")
    pairs = {"path": str(tmp_path / "pairs.tsv"), "format": "discourse_pairs", "language": "en"}
    tokenizer = real_text.vocabulary.tokenizer()
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
        labels = Manifest.load(folder).labels
        found = Counter(pair for split in SPLITS for pair in pairs_in(real_text, folder, split))
        assert Counter({pair: n for pair, n in found.items() if pair[0].startswith("sense")}) == expected
        senses = ["sense 0", "sense 1", "sense 2"]
        assert labels == senses if name == "alone" else (labels[0] == NO_CONNECTIVE and labels[-3:] == senses)
