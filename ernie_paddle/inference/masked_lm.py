"""Tokens for `[MASK]`, from the masked-LM head of a model."""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ernie_paddle.data.encoding import samples_of, tokenized
from ernie_paddle.errors import UserError
from ernie_paddle.inference.backends import InferenceBackend, InferencePrecision, model_backend
from ernie_paddle.inference.batching import run_batches
from ernie_paddle.inference.exported import is_export
from ernie_paddle.inference.heads import masked_lm_head
from ernie_paddle.model.saved import load_model
from ernie_paddle.text.cleaning import clean
from ernie_paddle.text.vocabulary import CONTINUATION, Vocabulary

MASK = "[MASK]"


@dataclass(frozen=True)
class MaskCandidate:
    """A token for a `[MASK]`, its probability, and the text with it.

    `mask` is the number of the `[MASK]` in the text, from 0. Other masks stay in `text`.
    """

    mask: int
    token: str
    probability: float
    text: str


class MaskedLM:
    """The masked LM of a model, which is opened when it is first needed."""

    def __init__(self, folder: Path, precision: InferencePrecision, on_gpu: bool, threads: int | None):
        self._folder, self._settings = folder, (on_gpu, precision, threads)
        self._lock = threading.Lock()
        self._backend: InferenceBackend | None = None

    def candidates(self, text: str, top: int, vocabulary: Vocabulary, max_length: int) -> list[MaskCandidate]:
        """Return the `top` most probable tokens for each `[MASK]`; see `Encoder.fill_mask`."""
        parts = clean(text)[0].split(MASK)
        if len(parts) == 1:
            raise UserError(f"{text[:40]!r}: has no {MASK}; write it where a token is missing")
        pieces = [encoding.ids for encoding in tokenized(parts, vocabulary)]
        ids = list(pieces[0])
        for piece in pieces[1:]:
            ids += [vocabulary.mask_id, *piece]
        if len(ids) > max_length - 2:
            raise UserError(f"{text[:40]!r}: has {len(ids):,} tokens, the model takes {max_length - 2:,}")
        samples = samples_of([[ids]], None, vocabulary)
        (done,) = run_batches(self._opened(), samples, vocabulary.pad_id)
        return [
            MaskCandidate(mask, token, probability, MASK.join(parts[: mask + 1]) + token + MASK.join(parts[mask + 1 :]))
            for mask, logits in enumerate(done.outputs[0])
            for token, probability in best_tokens(logits, top, vocabulary)
        ]

    def _opened(self) -> InferenceBackend:
        with self._lock:
            if self._backend is None:
                if is_export(self._folder):
                    raise UserError(f"{self._folder}: an export has no masked-LM head; use the model it was made from")
                model = load_model(self._folder)
                head = masked_lm_head(model.parameters, str(self._folder))
                self._backend = model_backend(model, head, str(self._folder), *self._settings)
            return self._backend


def best_tokens(logits: np.ndarray, top: int, vocabulary: Vocabulary) -> list[tuple[str, float]]:
    """Return the most probable tokens and their probabilities for logits [rows of the word embedding].

    Continuations lose their `##`.
    """
    powers = np.exp(logits.astype(np.float64) - logits.max())
    named = np.array(sorted(vocabulary.tokens))  # some rows may have no token
    best = named[np.argsort(-logits[named], kind="stable")][:top].tolist()
    return [(vocabulary.tokens[i].removeprefix(CONTINUATION), float(powers[i] / powers.sum())) for i in best]
