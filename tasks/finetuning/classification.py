"""Classification of one sentence: a TSV file with the columns `text_a` and `label` (as in the release)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ernie_paddle.data.samples import IGNORED, SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Registry, nearest
from ernie_paddle.task import FinetuningKind, SentenceClassification, Signature
from ernie_paddle.text.vocabulary import Vocabulary

TEXT, LABEL = "text_a", "label"


def read(path: Path, vocabulary: Vocabulary, signature: Signature, labelled: bool) -> SampleBlock:
    """Rows as `[CLS] text [SEP]`, cut to the signature's length; row i is sample i.

    Raises:
        UserError: file, column or label missing, a row with too many or too few fields, no rows.
    """
    texts, labels = [], []
    label_ids = {label: i for i, label in enumerate(signature.labels)}
    for where, row in read_rows(path, [TEXT, LABEL] if labelled else [TEXT]):
        texts.append(row[TEXT])
        if labelled and row[LABEL] not in label_ids:
            raise UserError(f"{where}: unknown label '{row[LABEL]}'{nearest(row[LABEL], signature.labels)}")
        labels.append(label_ids[row[LABEL]] if labelled else IGNORED)
    encodings = vocabulary.tokenizer().encode_batch(texts, add_special_tokens=False)
    room = signature.max_length - 2
    ids = [[vocabulary.cls_id, *encoding.ids[:room], vocabulary.sep_id] for encoding in encodings]
    lengths = np.array([len(row) for row in ids])
    return SampleBlock(lengths, {"input_ids": np.concatenate(ids)}, np.array(labels, np.int16))


def read_rows(path: Path, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a TSV file with a header, each with its place (`file line n`) for errors."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path}: file not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    header = lines[0].rstrip("\r").split("\t")
    for column in columns:
        if column not in header:
            raise UserError(f"{path} line 1: no column '{column}'; the header has: {', '.join(header)}")
    rows = [(number, line.rstrip("\r")) for number, line in enumerate(lines[1:], 2) if line.strip()]
    if not rows:
        raise UserError(f"{path}: no rows below the header")
    for number, line in rows:
        fields = line.split("\t")
        if len(fields) != len(header):
            raise UserError(f"{path} line {number}: {len(fields)} fields, the header has {len(header)}")
        yield f"{path} line {number}", dict(zip(header, fields, strict=True))


def register(registry: Registry) -> None:
    kind = FinetuningKind("classification", lambda labels: SentenceClassification(labels, head="cls_out"), read)
    registry.finetuning_tasks.add(kind.name, kind)
