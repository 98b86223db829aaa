"""Encoding of texts as samples: `[CLS] a [SEP]`, `[CLS] a [SEP] b [SEP]`, and so on."""

import re
from array import array
from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding

from ernie_paddle.data.samples import SEQUENCE_STARTS, SampleBlock
from ernie_paddle.data.schema import LABEL
from ernie_paddle.text.vocabulary import Vocabulary

WORD_END = re.compile("[ \t\r\n\u4e00-\u9fff]")  # no token goes on after one of these, whatever follows
CHARACTERS_OF_TOKEN = 8  # more than the average

Segments = Sequence[Sequence[int]]  # token ids of the texts of one sequence, without special tokens


def tokenized(texts: Sequence[str], vocabulary: Vocabulary, needed: int | None = None) -> list[Encoding]:
    """Return the tokens of each text, with their offsets in the text.

    Where only the first `needed` tokens count, the end of a long text may be left out. A text that has more tokens than
    that is returned with more than that.
    """

    def encode(beginnings: Sequence[str]) -> list[Encoding]:
        return vocabulary.tokenizer.encode_batch(list(beginnings), add_special_tokens=False)

    if needed is None:
        return encode(texts)
    beginnings = [beginning(text, CHARACTERS_OF_TOKEN * needed) for text in texts]
    found = encode(beginnings)
    for number, (text, begin) in enumerate(zip(texts, beginnings, strict=True)):
        while len(begin) < len(text) and len(found[number]) <= needed:
            begin = beginning(text, 4 * len(begin))
            found[number] = encode([begin])[0]
    return found


def beginning(text: str, characters: int) -> str:
    """Return a text up to the first end of a word after so many characters."""
    end = WORD_END.search(text, characters)
    return text[: end.end()] if end else text


def cut_pair(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept to fit into `room`.

    The longer text loses its last token until both fit. Of two equally long texts, the second loses it (release,
    `reader/task_reader.py`, `_truncate_seq_pair`).
    """
    if first + second <= room:
        return first, second
    if 2 * second <= room:
        return room - second, second
    if 2 * first <= room:
        return first, room - first
    return room - room // 2, room // 2


def pair(first: Sequence[int], second: Sequence[int] | None, max_length: int) -> Segments:
    """Return one or two texts, cut to `max_length` tokens, special tokens included."""
    if second is None:
        return [first[: max_length - 2]]
    kept = cut_pair(len(first), len(second), max_length - 3)
    return [first[: kept[0]], second[: kept[1]]]


def samples_of(
    sequences: Sequence[Segments], labels: np.ndarray | None, vocabulary: Vocabulary, counts: np.ndarray | None = None
) -> SampleBlock:
    """Return sequences as samples. The first text of a sequence has sentence id 0, all others 1.

    `counts` [samples] are the numbers of sequences of each sample, 1 by default. `labels` [samples, ...] become the
    column `label`.
    """
    ids, sentence_ids = array("i"), array("b")  # lists would need ten times the memory
    lengths = np.empty(len(sequences), np.int64)
    for number, segments in enumerate(sequences):
        begin = len(ids)
        ids.append(vocabulary.cls_id)
        sentence_ids.append(0)
        for index, segment in enumerate(segments):
            ids.extend(segment)
            ids.append(vocabulary.sep_id)
            sentence_ids.extend([min(index, 1)] * (len(segment) + 1))
        lengths[number] = len(ids) - begin
    columns: dict[str, np.ndarray] = {
        "input_ids": np.array(ids, np.int32),
        "sentence_ids": np.array(sentence_ids, np.int8),
    }
    sample_columns = {} if labels is None else {LABEL: labels}
    if counts is None:
        return SampleBlock(lengths, columns, sample_columns)
    starts = np.zeros(len(ids), np.int8)
    starts[np.cumsum(lengths) - lengths] = 1
    sample_lengths = np.add.reduceat(lengths, np.cumsum(counts) - counts)
    return SampleBlock(sample_lengths, {**columns, SEQUENCE_STARTS: starts}, sample_columns)
