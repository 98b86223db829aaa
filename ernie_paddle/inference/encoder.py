"""Vectors of texts, and words for `[MASK]`, from the encoder of any model."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, overload

import numpy as np
from rich.progress import Progress

from ernie_paddle.console import open_console
from ernie_paddle.data.encoding import pair, samples_of, tokenized
from ernie_paddle.data.prefetch import prefetch
from ernie_paddle.data.samples import SampleBlock
from ernie_paddle.errors import UserError
from ernie_paddle.inference.backends import InferenceBackend, InferencePrecision, model_backend, open_backend
from ernie_paddle.inference.batching import CHUNK, CHUNKS_AHEAD, BatchOutputs, in_chunks, run_batches
from ernie_paddle.inference.exported import is_export, load_export
from ernie_paddle.inference.heads import encoder_head
from ernie_paddle.inference.masked_lm import MaskCandidate, MaskedLM
from ernie_paddle.inputs import BadRow, InputRow, TextInput, input_rows
from ernie_paddle.model.saved import load_model
from ernie_paddle.text.vocabulary import Vocabulary

Pooling = Literal["mean", "cls", "pooled", "tokens"]
Texts = Sequence[str | tuple[str, str] | dict[str, str]]
SHORTEST = 1e-12  # length of a vector that is normalised
TOKENS_CHUNK = 64  # inputs whose tokens' vectors are in memory together


@dataclass(frozen=True)
class EncodedText:
    """The vector of a text [hidden], or of each of its tokens [tokens, hidden], float32.

    `pooled` [hidden] is its first token through the pooler, None if the model has none. `token_ids` are its tokens,
    special ones included. `cut` tells that it was longer than the model's longest input.
    """

    id: str
    vectors: np.ndarray
    pooled: np.ndarray | None
    token_ids: np.ndarray
    cut: bool


class Encoder:
    """The encoder of a model. Several threads may use it.

    `max_length` is the number of tokens of its longest input, special tokens included.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        outputs: Sequence[str],
        vocabulary: Vocabulary,
        max_length: int,
        masked_lm: MaskedLM,
    ):
        """`outputs` are the names of what `backend` returns: `tokens` and, with a pooler, `pooled`."""
        self.vocabulary, self.max_length = vocabulary, max_length
        self._backend, self._outputs, self._masked_lm = backend, tuple(outputs), masked_lm

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        precision: InferencePrecision = "fp32",
        on_gpu: bool = True,
        threads: int | None = None,
    ) -> "Encoder":
        """Open a model: a run, a checkpoint, a converted model or the export of an encoder.

        Args:
            path: its folder. A fine-tuning run stands for its best model, a pre-training run for its newest.
            precision: that of matrix products; `bf16` needs a device that computes in it.
            on_gpu: whether to use a GPU if there is one.
            threads: CPU threads; by default those of `OMP_NUM_THREADS`, or the cores of the process.

        Raises:
            UserError: a file is missing or damaged, the export is that of a fine-tuned head, or the device does not
                support the precision.
        """
        folder = Path(path)
        masked_lm = MaskedLM(folder, precision, on_gpu, threads)
        if is_export(folder):
            exported = load_export(folder)
            if "tokens" not in exported.record.outputs:
                raise UserError(
                    f"{path}: the export of a fine-tuned head, which returns no vectors; use the model it was made from"
                )
            backend = open_backend(folder, on_gpu, precision, threads)
            return cls(backend, exported.record.outputs, exported.vocabulary, exported.record.max_length, masked_lm)
        model = load_model(folder)
        head = encoder_head(model.parameters)
        backend = model_backend(model, head, str(path), on_gpu, precision, threads)
        outputs = ("tokens", "pooled") if head.has_pooler else ("tokens",)
        return cls(backend, outputs, model.vocabulary, model.config.max_position_embeddings, masked_lm)

    @overload
    def encode(
        self,
        texts: Texts,
        pooling: Literal["mean", "cls", "pooled"] = "mean",
        normalize: bool = False,
        *,
        batch_tokens: int | None = None,
        progress: bool = False,
    ) -> np.ndarray: ...

    @overload
    def encode(
        self,
        texts: Texts,
        pooling: Literal["tokens"],
        normalize: bool = False,
        *,
        batch_tokens: int | None = None,
        progress: bool = False,
    ) -> list[np.ndarray]: ...

    def encode(
        self,
        texts: Texts,
        pooling: Pooling = "mean",
        normalize: bool = False,
        *,
        batch_tokens: int | None = None,
        progress: bool = False,
    ) -> np.ndarray | list[np.ndarray]:
        """Return the vectors of texts, in order.

        Warns if texts are longer than `max_length` tokens and were cut.

        Args:
            texts: texts, pairs of texts, or mappings with the keys `text_a` and `text_b`.
            pooling: `mean` of all tokens, special ones included; `cls`, the first token; `pooled`, the first token
                through the pooler, a tanh layer (the release's `cls_emb.npy`); or `tokens`, all tokens.
            normalize: whether vectors get the length 1.
            batch_tokens: tokens that are computed together, padding included; by default what is fastest.
            progress: whether to show a progress bar on standard error.

        Returns:
            float32 [texts, hidden], or for `tokens` a list of [tokens, hidden].

        Raises:
            UserError: an input is no text or pair, or the model has no pooler.
        """
        if isinstance(texts, str):
            raise UserError("texts: found a text; give a list of them")
        found, cut = list[np.ndarray](), 0
        with Progress(console=open_console(stderr=True), disable=not progress, transient=True) as bar:
            shown = bar.add_task("encoding", total=len(texts))
            for encoded in self.stream(input_rows(texts), pooling, normalize, batch_tokens):
                assert isinstance(encoded, EncodedText)
                found.append(encoded.vectors)
                cut += encoded.cut
                bar.advance(shown)
        if cut:
            warnings.warn(self.cut_note(cut, len(found)), stacklevel=2)
        if pooling == "tokens":
            return found
        return np.stack(found) if found else np.empty((0, self.hidden_size), np.float32)

    def cut_note(self, cut: int, texts: int) -> str:
        """Return a sentence about texts that were cut."""
        return f"{cut:,} of {texts:,} texts have more than {self.max_length:,} tokens and were cut"

    @cached_property
    def hidden_size(self) -> int:
        """The length of a vector."""
        (encoded,) = self.stream(input_rows([""]), "cls")
        assert isinstance(encoded, EncodedText)
        return len(encoded.vectors)

    def stream(
        self,
        rows: Iterable[InputRow | BadRow],
        pooling: Pooling = "mean",
        normalize: bool = False,
        batch_tokens: int | None = None,
        skip_bad: bool = False,
    ) -> Iterator[EncodedText | BadRow]:
        """Encode rows as they come, in order; see `encode`. Their texts are those of `TextInput`.

        Memory does not grow with the number of rows: the next ones are tokenised in the background.

        Raises:
            UserError: as `encode` does. With `skip_bad`, a row that is no text or pair becomes a `BadRow` instead.
        """
        self.check_pooling(pooling)
        chunks = in_chunks(rows, TOKENS_CHUNK if pooling == "tokens" else CHUNK)
        for chunk in prefetch((self.tokenize(chunk, skip_bad) for chunk in chunks), CHUNKS_AHEAD):
            encoded = self._encoded(chunk, pooling, normalize, batch_tokens)
            for row in chunk.rows:
                yield row if isinstance(row, BadRow) else encoded[row]

    def check_pooling(self, pooling: Pooling) -> None:
        """Raise a `UserError` if the model has no pooler, but `pooling` is `pooled`."""
        if pooling == "pooled" and "pooled" not in self._outputs:
            raise UserError("pooling 'pooled': the model has no pooler; use 'cls', 'mean' or 'tokens'")

    def fill_mask(self, text: str, top: int = 5) -> list[MaskCandidate]:
        """Return the `top` most probable tokens for each `[MASK]` of a text, those of the first mask first.

        Raises:
            UserError: the text has no `[MASK]` or too many tokens, or the model has no masked-LM head.
        """
        return self._masked_lm.candidates(text, top, self.vocabulary, self.max_length)

    def tokenize(self, rows: Iterable[InputRow | BadRow], skip_bad: bool = False) -> "TokenizedRows":
        """Return rows as samples; see `stream`."""
        checked, ids, texts = list[int | BadRow](), list[str](), list[TextInput]()
        for row in rows:
            try:
                if isinstance(row, InputRow):
                    texts.append(TextInput.of(row.given, row.place))
                    ids.append(row.id)
                checked.append(len(ids) - 1 if isinstance(row, InputRow) else row)
            except UserError as error:
                if not skip_bad:
                    raise
                checked.append(BadRow(row.id, str(error)))
        firsts = tokenized([text.text_a for text in texts], self.vocabulary, self.max_length)
        seconds = tokenized([text.text_b or "" for text in texts], self.vocabulary, self.max_length)
        sequences, cut = [], []
        for first, second in zip(firsts, seconds, strict=True):
            sequences.append(pair(first.ids, second.ids or None, self.max_length))
            cut.append(sum(map(len, sequences[-1])) < len(first.ids) + len(second.ids))
        return TokenizedRows(checked, ids, cut, samples_of(sequences, None, self.vocabulary))

    def run(
        self, samples: SampleBlock, pooling: Pooling, normalize: bool, batch_tokens: int | None
    ) -> Iterator[tuple[BatchOutputs, np.ndarray]]:
        """Run samples in batches; yield each with its vectors, [samples, hidden], or [tokens, hidden] for `tokens`."""
        for done in run_batches(self._backend, samples, self.vocabulary.pad_id, batch_tokens):
            vectors = self._vectors(done, pooling)
            if normalize:
                vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), SHORTEST)
            yield done, vectors

    def _encoded(
        self, chunk: "TokenizedRows", pooling: Pooling, normalize: bool, batch_tokens: int | None
    ) -> dict[int, EncodedText]:
        """Return the texts of a chunk by the number of their sample."""
        encoded: dict[int, EncodedText] = {}
        for done, vectors in self.run(chunk.samples, pooling, normalize, batch_tokens):
            of_samples = done.by_sample(vectors) if pooling == "tokens" else vectors
            pooled = done.outputs[self._outputs.index("pooled")] if "pooled" in self._outputs else None
            token_ids = done.by_sample(done.batch.columns["input_ids"])
            for number, row in enumerate(done.rows.tolist()):
                own_pooled = None if pooled is None else pooled[number]
                encoded[row] = EncodedText(
                    chunk.ids[row], of_samples[number], own_pooled, token_ids[number], chunk.cut[row]
                )
        return encoded

    def _vectors(self, done: BatchOutputs, pooling: Pooling) -> np.ndarray:
        tokens, first_tokens = done.outputs[self._outputs.index("tokens")], done.batch.first_tokens
        if pooling == "tokens":
            return tokens
        if pooling == "cls":
            return tokens[first_tokens]
        if pooling == "pooled":
            return done.outputs[self._outputs.index("pooled")]
        return np.add.reduceat(tokens, first_tokens) / done.batch.lengths[:, None].astype(np.float32)


@dataclass(frozen=True)
class TokenizedRows:
    """Rows in their order, given by the numbers of their samples; ids, samples, and whether their texts were cut."""

    rows: list[int | BadRow]
    ids: list[str]
    cut: list[bool]
    samples: SampleBlock
