"""Words of any number of pieces: all are read, each word has one tag, wherever samples are cut."""

from collections.abc import Sequence

import numpy as np
import pytest

from ernie_paddle.finetuning_task import Encoded, Signature
from ernie_paddle.testing import toy_vocabulary
from tasks.finetuning.reading.examples import TaggedExample
from tasks.finetuning.sequence_labelling import TAGS, SequenceLabelling, word_ranges

LETTERS = "abcdefghijklmnopqrstuvwxyzйقß甲乙丙丁戊己庚辛北京方。，"
VOCABULARY = toy_vocabulary([*LETTERS, *(f"##{c}" for c in LETTERS)])
LABELS = ("B-X", "I-X", "B-Y", "I-Y", "O")
TASK = SequenceLabelling()


def signature(length: int, labels: tuple[str, ...] = LABELS) -> Signature:
    return Signature(task="sequence_labelling", max_length=length, labels=labels)


def samples_of(encoded: Encoded) -> list[tuple[list[str], list[int]]]:
    """The tokens and the tags of each sample, special tokens included."""
    ends = np.cumsum(encoded.samples.lengths)
    ids, tags = (np.split(encoded.samples.columns[name], ends[:-1]) for name in ("input_ids", TAGS))
    return [([VOCABULARY.tokens[int(i)] for i in a], b.tolist()) for a, b in zip(ids, tags, strict=True)]


def encode(examples: Sequence[TaggedExample], length: int, labels: tuple[str, ...] = LABELS) -> Encoded:
    return TASK.encode(examples, VOCABULARY, signature(length, labels))


def test_every_piece_is_read_and_later_ones_are_inside_the_entity() -> None:
    words = ("生", "北京", "北方", "abc", "甲")
    encoded = encode([TaggedExample("0", "", words, ("O", "B-X", "I-X", "B-Y", "B-Y"))], 32)
    ((tokens, tags),) = samples_of(encoded)
    assert tokens == "[CLS] [UNK] 北 京 北 方 a ##b ##c 甲 [SEP]".split()
    assert tags == [-1, 4, 0, 1, 1, 1, 2, 3, 3, 2, -1]
    (other, _), *_ = samples_of(encode([TaggedExample("0", "", ("北京",), None)], 32))
    (same, _), *_ = samples_of(encode([TaggedExample("0", "", ("北方",), None)], 32))
    assert other != same


@pytest.mark.parametrize(
    ("labels", "later"),
    [
        (("B-X", "E-X", "O"), {"B-X": -1, "E-X": 1, "O": 2}),
        (("B-X", "I-X", "E-X", "S-X", "O"), {"B-X": 1, "S-X": 1, "E-X": 2, "O": 4}),
        (("NN", "VV"), {"NN": 0, "VV": 1}),
    ],
)
def test_later_pieces_without_a_label_have_no_loss(labels: tuple[str, ...], later: dict[str, int]) -> None:
    for tag, expected in later.items():
        ((_, tags),) = samples_of(encode([TaggedExample("0", "", ("ab", "甲"), (tag, tag))], 9, labels))
        number = labels.index(tag)
        assert tags == [-1, number, expected, number, -1]


def test_unlabelled_texts_are_encoded_alike() -> None:
    words = ("abc", " ", "甲")
    labelled, unlabelled = (encode([TaggedExample("0", "", words, tags)], 5) for tags in (("O", "O", "O"), None))
    assert [tokens for tokens, _ in samples_of(labelled)] == [tokens for tokens, _ in samples_of(unlabelled)]
    assert set(unlabelled.samples.columns[TAGS].tolist()) == {-1}


@pytest.mark.parametrize("length", [3, 4, 7, 12, 64])
def test_every_token_has_the_tag_of_its_first_piece_wherever_samples_are_cut(length: int) -> None:
    """The scores say at each first piece its gold tag, elsewhere another one."""
    random = np.random.default_rng(length)
    dropped = [" ", "\u3000", "\u200b", "\x07", ""]
    examples = []
    for number in range(40):
        words = [
            str(random.choice(dropped))
            if random.random() < 0.1
            else "".join(random.choice(list(LETTERS), random.integers(1, 12)))
            for _ in range(random.integers(1, 25))
        ]
        examples.append(TaggedExample(str(number), "", tuple(words), tuple(random.choice(LABELS, len(words)).tolist())))
    encoded = encode(examples, length)
    assert encoded.samples.lengths.max() <= length

    pieces = {
        word: VOCABULARY.tokenizer.encode(word, add_special_tokens=False).tokens[: length - 2] or ["[UNK]"]
        for example in examples
        for word in example.tokens
    }
    read = [token for tokens, _ in samples_of(encoded) for token in tokens[1:-1]]
    assert read == [piece for example in examples for word in example.tokens for piece in pieces[word]]

    gold = [tag for example in examples for tag in example.tags or ()]
    first = [place == 0 for example in examples for word in example.tokens for place in range(len(pieces[word]))]
    wanted, scores = iter(gold), []
    places = iter(first)
    for tokens, _ in samples_of(encoded):
        table = np.zeros((len(tokens), len(LABELS)))
        for row in range(1, len(tokens) - 1):
            right = LABELS.index(next(wanted)) if next(places) else int(random.integers(len(LABELS)))
            table[row, right] = 1
        scores.append(table)
    predictions = TASK.predictions(examples, encoded, scores, signature(length))
    assert [prediction.value for prediction in predictions] == [example.tags for example in examples]


def test_samples_begin_with_a_word_and_take_as_many_as_fit() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        lengths = random.integers(1, 6, random.integers(0, 20)).tolist()
        ranges = list(word_ranges(lengths, 7))
        assert [i for begin, end in ranges for i in range(begin, end)] == list(range(len(lengths)))
        sums = [sum(lengths[begin:end]) for begin, end in ranges]
        assert all(used <= 7 for used in sums)
        assert all(used + lengths[end] > 7 for used, (_, end) in zip(sums[:-1], ranges, strict=False))
