"""What an inference program computes: a fine-tuned head, the plain encoder, or the masked LM.

Nothing here imports Paddle: a head builds its part of a Paddle program or an ONNX graph through an `InferenceNetwork`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import SIGNATURE_FILE
from ernie_paddle.model.saved import Model
from ernie_paddle.registry import Registry
from ernie_paddle.task import HeadNetwork, Objective

MASKED_LM_HEAD = "mask_lm_out_fc.b_0"
POOLER = "pooled_fc.w_0"
Reads = Literal["first", "every", "mask"]  # tokens of the encoder: the first of each row, all, or all [MASK] tokens


class InferenceNetwork(HeadNetwork, Protocol):
    """The layers that a head may add to an inference program or graph."""

    def pooled(self, first_tokens: Any) -> Any:
        """Apply the pooler, a tanh layer, to first tokens [rows, hidden]."""


class EncoderTokens(Protocol):
    """Outputs of the encoder in an inference program or graph; only what the head `reads` is computed."""

    def first(self) -> Any:
        """Return the first token of each row, [rows, hidden]."""

    def every(self) -> Any:
        """Return all tokens, [tokens, hidden], or [rows, length, hidden] in a program that does not pack them."""

    def masked(self) -> Any:
        """Return the `[MASK]` tokens in order, [masks, hidden]. A batch has at least one."""

    def padded(self, values: Any) -> Any:
        """Return values of all tokens as [rows, length, n]. Those at padding mean nothing."""


class InferenceHead(Protocol):
    """What a program returns.

    `outputs` are the names of its outputs in their order, with the names of their axes. `reads` tells which tokens of
    the encoder they are made from.
    """

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]: ...

    @property
    def reads(self) -> Reads: ...

    def build(self, network: InferenceNetwork, tokens: EncoderTokens) -> dict[str, Any]:
        """Add the head; return its outputs by name."""


@dataclass(frozen=True)
class TaskHead:
    """A fine-tuned head: `scores` [rows, n], or [rows, length, n] if it reads all tokens."""

    objective: Objective

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        return {"scores": ("rows", "length", "n") if self.reads == "every" else ("rows", "n")}

    @property
    def reads(self) -> Reads:
        return "every" if self.objective.level == "token" else "first"

    def build(self, network: InferenceNetwork, tokens: EncoderTokens) -> dict[str, Any]:
        every = self.reads == "every"
        logits = self.objective.logits(network, tokens.every() if every else tokens.first())
        scores = self.objective.prediction_scores(logits)
        return {"scores": tokens.padded(scores) if every else scores}


@dataclass(frozen=True)
class EncoderHead:
    """The encoder's outputs: `tokens` [rows, length, hidden] and, with a pooler, `pooled` [rows, hidden]."""

    has_pooler: bool = True
    reads: Reads = "every"

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        tokens = {"tokens": ("rows", "length", "hidden")}
        return {**tokens, "pooled": ("rows", "hidden")} if self.has_pooler else {**tokens}

    def build(self, network: InferenceNetwork, tokens: EncoderTokens) -> dict[str, Any]:
        outputs = {"tokens": tokens.padded(tokens.every())}
        return outputs | ({"pooled": network.pooled(tokens.first())} if self.has_pooler else {})


@dataclass(frozen=True)
class MaskedLMHead:
    """Logits over the vocabulary at the `[MASK]` tokens, row by row: `logits` [masks, vocabulary], at least one."""

    reads: Reads = "mask"

    @property
    def outputs(self) -> dict[str, tuple[str, ...]]:
        return {"logits": ("masks", "vocabulary")}

    def build(self, network: InferenceNetwork, tokens: EncoderTokens) -> dict[str, Any]:
        return {"logits": network.masked_lm_logits(tokens.masked())}


def head_of(model: Model, registry: Registry) -> InferenceHead:
    """Return the fine-tuned head of a model with a signature, else its encoder.

    Raises:
        UserError: the signature names an unknown fine-tuning task.
    """
    if model.signature is None:
        return encoder_head(model.parameters)
    task = registry.finetuning_tasks.get(model.signature.task, SIGNATURE_FILE)
    return TaskHead(task.objective(model.signature))


def encoder_head(parameters: Mapping[str, np.ndarray]) -> EncoderHead:
    """Return the head for the plain encoder of a model with these parameters."""
    return EncoderHead(has_pooler=POOLER in parameters)


def masked_lm_head(parameters: Mapping[str, np.ndarray], where: str) -> MaskedLMHead:
    """Return the masked-LM head of a model with these parameters.

    Raises:
        UserError: it has none. The message begins with `where`.
    """
    if MASKED_LM_HEAD not in parameters:
        raise UserError(f"{where}: has no masked-LM head; fine-tuned models and some converted ones lack it")
    return MaskedLMHead()
