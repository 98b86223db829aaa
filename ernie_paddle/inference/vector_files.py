"""Files of vectors: numpy arrays, Arrow and JSON lines."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from ernie_paddle.errors import UserError
from ernie_paddle.files import as_json, atomic_folder, atomic_write
from ernie_paddle.inference.encoder import EncodedText, Encoder, Pooling
from ernie_paddle.inputs import BadRow

VectorFormat = Literal["npy", "arrow", "jsonl", "release"]
CLS_FILE, TOKENS_FILE = "cls_emb.npy", "top_layer_emb.npy"  # the files of the release's `ernie_encoder.py`
ARROW_ROWS = 512  # of a record batch


class VectorWriter(Protocol):
    """Writes vectors as they come. A `BadRow` keeps its place, without a vector."""

    def write(self, row: EncodedText | BadRow) -> None: ...

    def close(self) -> None:
        """Write what ends the file, and leave it open."""


class NpyWriter:
    """A numpy array of float32, [rows, hidden], whose number of rows need not be known before."""

    def __init__(self, file: IO[bytes], hidden_size: int):
        self._file, self._hidden_size, self.rows = file, hidden_size, 0
        self._write_header()

    def write_vectors(self, vectors: np.ndarray) -> None:
        """Write rows [n, hidden], or one [hidden]."""
        self._file.write(np.ascontiguousarray(vectors, np.float32).tobytes())
        self.rows += len(np.atleast_2d(vectors))

    def write(self, row: EncodedText | BadRow) -> None:
        """Write a vector; NaN in the place of a bad row."""
        self.write_vectors(np.full(self._hidden_size, np.nan) if isinstance(row, BadRow) else row.vectors)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        # numpy leaves room in the header for any number of rows, so that its length stays the same.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self._hidden_size)}
        np.lib.format.write_array_header_1_0(self._file, header)


class ReleaseWriter:
    """The two arrays of the release: pooled first tokens, [texts, hidden], and all tokens end to end, [tokens, hidden].

    Needs the vectors of tokens. A bad row has NaN in the first array and nothing in the second.
    """

    def __init__(self, cls_file: IO[bytes], tokens_file: IO[bytes], hidden_size: int):
        self._cls, self._tokens = NpyWriter(cls_file, hidden_size), NpyWriter(tokens_file, hidden_size)
        self._hidden_size = hidden_size

    def write(self, row: EncodedText | BadRow) -> None:
        if isinstance(row, BadRow):
            self._cls.write(row)
            return
        assert row.pooled is not None
        self._cls.write_vectors(row.pooled)
        self._tokens.write_vectors(row.vectors)

    def close(self) -> None:
        self._cls.close()
        self._tokens.close()


class ArrowWriter:
    """An Arrow file with the columns `index`, `embedding` and, for tokens, `tokens`; null in a bad row."""

    def __init__(self, file: IO[bytes], encoder: Encoder, pooling: Pooling):
        self._encoder, self._of_tokens = encoder, pooling == "tokens"
        vector = pa.list_(pa.float32(), encoder.hidden_size)
        fields = [("index", pa.string()), ("embedding", pa.list_(vector) if self._of_tokens else vector)]
        if self._of_tokens:
            fields.append(("tokens", pa.list_(pa.string())))
        self._schema = pa.schema(fields)
        self._writer = pa.ipc.new_file(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: EncodedText | BadRow) -> None:
        self._rows.append(record_of(row, self._encoder, self._of_tokens))
        if len(self._rows) == ARROW_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
            self._rows = []


class VectorLinesWriter:
    """JSON lines with `index`, `embedding` and, for tokens, `tokens`; with `error` instead in a bad row."""

    def __init__(self, file: IO[str], encoder: Encoder, pooling: Pooling):
        self._file, self._encoder, self._of_tokens = file, encoder, pooling == "tokens"

    def write(self, row: EncodedText | BadRow) -> None:
        self._file.write(as_json(record_of(row, self._encoder, self._of_tokens)) + "\n")

    def close(self) -> None:
        pass


def record_of(row: EncodedText | BadRow, encoder: Encoder, of_tokens: bool) -> dict[str, Any]:
    """Return a row as plain values."""
    if isinstance(row, BadRow):
        return {"index": row.id, "error": row.error}
    record: dict[str, Any] = {"index": row.id, "embedding": row.vectors.tolist()}
    tokens = encoder.vocabulary.tokens
    return record | ({"tokens": [tokens[i] for i in row.token_ids.tolist()]} if of_tokens else {})


@contextmanager
def open_vectors(path: Path, format: VectorFormat, encoder: Encoder, pooling: Pooling) -> Iterator[VectorWriter]:
    """Open files to write; they appear when the block ends without an error. `release` writes a folder.

    Raises:
        UserError: the format has no room for the vectors of tokens.
    """
    if format == "npy" and pooling == "tokens":
        raise UserError(f"{path}: an array has no room for which token is which; write .arrow or .jsonl, or --release")
    with ExitStack() as stack:
        writer: VectorWriter
        if format == "release":
            folder = stack.enter_context(atomic_folder(path))
            files = [stack.enter_context(open(folder / name, "wb")) for name in (CLS_FILE, TOKENS_FILE)]
            writer = ReleaseWriter(files[0], files[1], encoder.hidden_size)
        elif format == "jsonl":
            writer = VectorLinesWriter(stack.enter_context(atomic_write(path)), encoder, pooling)
        else:
            file = stack.enter_context(atomic_write(path, "wb"))
            is_array = format == "npy"
            writer = NpyWriter(file, encoder.hidden_size) if is_array else ArrowWriter(file, encoder, pooling)
        yield writer
        writer.close()
