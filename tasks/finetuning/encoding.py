"""Texts as samples: `[CLS] a [SEP]`, `[CLS] a [SEP] b [SEP]`, and so on."""

from array import array
from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding

from ernie_paddle.data.samples import SEQUENCE_STARTS, SampleBlock
from ernie_paddle.text.vocabulary import Vocabulary

Segments = Sequence[Sequence[int]]  # token ids of the texts of one sequence, without special tokens


def tokenized(texts: Sequence[str], vocabulary: Vocabulary) -> list[Encoding]:
    """Each text's tokens, with their offsets in it."""
    return vocabulary.lower_case_tokenizer.encode_batch(list(texts), add_special_tokens=False)


def cut_pair(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of two texts fit into `room`: the longer one loses its last until they do.

    Of two equally long ones the second does (release, `reader/task_reader.py`, `_truncate_seq_pair`).
    """
    if first + second <= room:
        return first, second
    if 2 * second <= room:
        return room - second, second
    if 2 * first <= room:
        return first, room - first
    return room - room // 2, room // 2


def pair(first: Sequence[int], second: Sequence[int] | None, max_length: int) -> Segments:
    """One text or two, cut to `max_length` tokens, special ones included."""
    if second is None:
        return [first[: max_length - 2]]
    kept = cut_pair(len(first), len(second), max_length - 3)
    return [first[: kept[0]], second[: kept[1]]]


def samples_of(
    sequences: Sequence[Segments], labels: np.ndarray, vocabulary: Vocabulary, counts: np.ndarray | None = None
) -> SampleBlock:
    """Sequences as samples: the first text's sentence id is 0, all others' 1.

    `counts` [samples]: how many sequences each sample has; one, unless given. `labels` [samples, ...].
    """
    ids, sentence_ids = array("i"), array("b")  # lists would take ten times the memory
    lengths = np.empty(len(sequences), np.int64)
    for number, segments in enumerate(sequences):
        begin = len(ids)
        ids.append(vocabulary.cls_id)
        sentence_ids.append(0)
        for place, segment in enumerate(segments):
            ids.extend(segment)
            ids.append(vocabulary.sep_id)
            sentence_ids.extend([min(place, 1)] * (len(segment) + 1))
        lengths[number] = len(ids) - begin
    columns: dict[str, np.ndarray] = {
        "input_ids": np.array(ids, np.int32),
        "sentence_ids": np.array(sentence_ids, np.int8),
    }
    if counts is None:
        return SampleBlock(lengths, columns, labels)
    starts = np.zeros(len(ids), np.int8)
    starts[np.cumsum(lengths) - lengths] = 1
    of_samples = np.add.reduceat(lengths, np.cumsum(counts) - counts)
    return SampleBlock(of_samples, {**columns, SEQUENCE_STARTS: starts}, labels)
