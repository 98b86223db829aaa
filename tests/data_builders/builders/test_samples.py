"""Every sample of every builder, recounted from the raw documents: text, spans and labels."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
import pytest
from real_text_support import RawDocuments, RealText

from data_builders.annotation.features import CAPITALIZATION
from data_builders.annotation.sentences import sentences
from data_builders.annotation.settings import SpanSettings
from data_builders.builders.sentence_reordering import class_count, class_of, permutation_of
from data_builders.documents import Language
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable

LANGUAGES: tuple[Language, ...] = ("zh", "en")


@dataclass(frozen=True)
class Text:
    """A document: token ids of each sentence, of the whole document and as a `line`, and of its title."""

    sentences: list[tuple[int, ...]]
    ids: tuple[int, ...]
    line: str
    title: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """A sample: token ids of its segments, the other columns without special tokens, and its label."""

    segments: list[tuple[int, ...]]
    columns: dict[str, tuple[int, ...]]
    label: int


@pytest.fixture(scope="module")
def texts(real_text: RealText) -> list[Text]:
    """Tokenise all documents sentence by sentence."""
    tokenizer = real_text.vocabulary.tokenizer
    found = []
    for source in real_text.sources.values():
        for document in source.documents():
            lines = [s for p in document.paragraphs for s in sentences(p, source.language)]
            ids = [tuple(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines]
            kept = [sentence for sentence in ids if sentence]
            row = tuple(i for sentence in kept for i in sentence)
            title = tuple(tokenizer.encode(document.title or "", add_special_tokens=False).ids)
            found.append(Text(kept, row, line(row), title))
    return found


def samples_of(real_text: RealText, task: str, split: str) -> Iterator[Sample]:
    table = SampleTable.open(real_text.shards / task, split)
    cls, sep = real_text.vocabulary.cls_id, real_text.vocabulary.sep_id
    for row in range(len(table)):
        block = table.take(np.array([row]))
        ids, sentence_ids = block.columns["input_ids"], block.columns["sentence_ids"]
        assert ids[0] == cls and ids[-1] == sep and len(ids) <= real_text.settings["max_length"]
        special = np.isin(ids, [cls, sep])
        assert (np.diff(sentence_ids) == special[:-1])[1:].all(), "sentence ids count the segments, [SEP] included"
        segments = [tuple(ids[(sentence_ids == n) & ~special].tolist()) for n in range(sentence_ids[-1] + 1)]
        columns = {name: tuple(column[~special].tolist()) for name, column in block.columns.items()}
        for name in ("bi_tags", "span_kinds", "capitalization"):
            assert (block.columns[name][special] == -1).all()
        yield Sample(segments, columns, int(block.sample_columns.get("label", [-1])[0]))


def work_items_of(real_text: RealText) -> int:
    """The number of work items over both splits; in each, classes differ by one sample at most."""
    return len(SPLITS) * sum(corpus.work_items for corpus in real_text.result.corpora.values())


def line(ids: tuple[int, ...]) -> str:
    return " ".join(["", *map(str, ids), ""])


def place_in(text: str, part: str) -> int:
    """Return how many tokens of a `line` precede another line in it, -1 if it does not contain it."""
    place = text.find(part)
    return -1 if place < 0 else text.count(" ", 0, place)


def test_running_text_covers_every_token_of_every_document_once(real_text: RealText, texts: list[Text]) -> None:
    expected = Counter(i for text in texts for i in text.ids)
    found: Counter[int] = Counter()
    for split in SPLITS:
        for sample in samples_of(real_text, "knowledge_masking", split):
            assert len(sample.segments) == 1 and sample.label == -1
            found.update(sample.segments[0])
    assert found == expected


def test_capitalisation_samples_are_the_running_text_with_a_cased_word(real_text: RealText) -> None:
    for split in SPLITS:
        everything = list(samples_of(real_text, "knowledge_masking", split))
        cased = [sample for sample in everything if set(sample.columns["capitalization"]) != {-1}]
        assert list(samples_of(real_text, "capitalization", split)) == cased
        assert 0 < len(cased) < len(everything)


def test_samples_have_the_spans_and_case_of_their_text(real_text: RealText) -> None:
    """The columns of a sample equal those of its tokens in the document."""
    documents = {}
    for language in LANGUAGES:
        annotator = SpanSettings().annotator(real_text.sources[language], real_text.vocabulary)
        annotator = replace(annotator, features=(CAPITALIZATION,))
        for document in real_text.sources[language].documents():
            annotated = annotator.annotate([document]).document(0, 0)
            documents[line(tuple(annotated.columns.of("input_ids").tolist()))] = annotated
    checked = 0
    for sample in list(samples_of(real_text, "knowledge_masking", "validation"))[::5]:
        ids = sample.segments[0]
        whole, place = next((key, place_in(key, line(ids))) for key in documents if line(ids) in key)
        for name in ("bi_tags", "span_kinds", "capitalization"):
            assert sample.columns[name] == tuple(documents[whole].columns.of(name)[place : place + len(ids)].tolist())
        checked += 1
    assert checked > 20


# ---- sentence reordering ----


def test_class_of_and_permutation_of_are_inverse() -> None:
    for most in (2, 3, 4):
        orders = [order for n in range(1, most + 1) for order in permutations(range(n))]
        assert [class_of(order) for order in orders] == list(range(class_count(most)))
        assert [permutation_of(label) for label in range(class_count(most))] == orders
    assert class_count(3) == 9


def test_a_reordered_sample_decodes_to_the_original_text(real_text: RealText, texts: list[Text]) -> None:
    seen: Counter[int] = Counter()
    for split in SPLITS:
        for sample in samples_of(real_text, "sentence_reordering", split):
            order = permutation_of(sample.label)
            assert len(order) == len(sample.segments)
            original = [sample.segments[order.index(place)] for place in range(len(order))]
            joined = tuple(i for segment in original for i in segment)
            owner = next(text for text in texts if line(joined) in text.line)
            boundaries = {0, *np.cumsum([len(s) for s in owner.sentences]).tolist()}
            place = place_in(owner.line, line(joined))
            if joined in {owner.ids[p : p + len(joined)] for p in boundaries}:
                place = next(p for p in sorted(boundaries) if owner.ids[p : p + len(joined)] == joined)
            for segment in original:
                assert place in boundaries, "segments begin and end where sentences do"
                place += len(segment)
            assert place in boundaries
            seen[sample.label] += 1
    assert set(seen) == set(range(9)) and max(seen.values()) - min(seen.values()) <= work_items_of(real_text), seen


# ---- sentence distance ----


def test_labels_of_sentence_distance_equal_a_recount_in_the_raw_text(real_text: RealText, texts: list[Text]) -> None:
    """In the raw text, only blanks are between adjacent segments, and more is between others."""
    raw = RawDocuments(real_text)
    assert raw.ids == [text.ids for text in texts], "cutting into sentences loses nothing"
    labels: Counter[int] = Counter()
    for split in SPLITS:
        for sample in samples_of(real_text, "sentence_distance", split):
            first, second = map(raw.places, sample.segments)
            pairs = list(product(first, second))
            gaps = [raw.between(a, b) for a, b in pairs] + [raw.between(b, a) for a, b in pairs]
            touching = any(gap is not None and not gap.strip() for gap in gaps[: len(pairs)])
            apart = any(gap is not None and gap.strip() for gap in gaps)
            elsewhere = any(a.document != b.document for a, b in pairs)
            assert (touching, apart, elsewhere)[sample.label], sample
            labels[sample.label] += 1
    assert set(labels) == {0, 1, 2} and max(labels.values()) - min(labels.values()) <= work_items_of(real_text)


def test_segments_of_sentence_distance_are_cut_at_sentence_boundaries_where_they_meet(real_text: RealText) -> None:
    """This holds for every label; otherwise the cut would reveal it."""
    raw = RawDocuments(real_text)
    starts, ends = set(), set()
    for number, (text, language) in enumerate(zip(raw.texts, raw.languages, strict=True)):
        end = 0
        for sentence in (s for paragraph in text.split("\n") for s in sentences(paragraph, language)):
            start = text.index(sentence, end)
            end = start + len(sentence)
            starts.add((number, start))
            ends.add((number, end))
    cut = 0
    for split in SPLITS:
        for sample in samples_of(real_text, "sentence_distance", split):
            first, second = map(raw.places, sample.segments)
            assert any((place.document, place.end) in ends for place in first), sample
            assert any((place.document, place.start) in starts for place in second), sample
            cut += all((place.document, place.start) not in starts for place in first)
    assert cut > 5, "some segments are endings of long sentences"


def test_segment_lengths_reveal_nothing_about_the_label(real_text: RealText) -> None:
    """A length that reveals the label would make the mean lengths of the classes differ."""
    lengths: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: []}
    for sample in samples_of(real_text, "sentence_distance", "train"):
        lengths[sample.label].append((len(sample.segments[0]), len(sample.segments[1])))
    means = np.array([np.mean(pairs, axis=0) for pairs in lengths.values()])
    errors = np.array([np.std(pairs, axis=0) / np.sqrt(len(pairs)) for pairs in lengths.values()])
    assert (np.ptp(means, axis=0) < 5 * errors.max(axis=0)).all(), means


# ---- all tasks ----


def test_no_text_is_in_both_splits(real_text: RealText, texts: list[Text]) -> None:
    """The tokens of a document are in the samples of one split, which is the same for every task."""
    parts = {
        (task, split): {line(part) for sample in samples_of(real_text, task, split) for part in sample.segments}
        for task in real_text.result.tasks
        for split in SPLITS
    }
    sides = Counter[str]()
    for text in texts:
        found = {split for (_, split), lines in parts.items() if any(len(s) > 150 and s in text.line for s in lines)}
        assert len(found) <= 1
        sides.update(found)
    assert (
        abs(sides["validation"] - 0.2 * sides.total()) < 4 * (0.2 * 0.8 * sides.total()) ** 0.5 and sides.total() > 50
    )


def test_reported_counts_equal_those_of_the_shards(real_text: RealText) -> None:
    for task, counts in real_text.result.tasks.items():
        manifest = Manifest.load(real_text.shards / task)
        labels: Counter[str] = Counter()
        for split in SPLITS:
            samples = list(samples_of(real_text, task, split))
            assert manifest.count(split) == counts.samples[split] == len(samples)
            tokens = sum(sum(map(len, sample.segments)) + 1 + len(sample.segments) for sample in samples)
            assert manifest.count(split, "tokens") == counts.tokens[split] == tokens
            labels.update(str(sample.label) for sample in samples)
        assert counts.labels == ({} if set(labels) == {"-1"} else labels)
