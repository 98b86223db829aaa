"""Knowledge masking (paper section 4.2.1): predict words, phrases and entities that were masked whole.

A unit of `span_codes` is masked as the release does it (`batching.py`, `mask_word`): it is selected when the
draw of its first token is at most 0.15; then each of its tokens becomes `[MASK]` (80 %), a random token
(10 %) or stays (10 %) by a draw of its own. All tokens of a selected unit are predicted.
Masks are drawn when the batch is made, anew each epoch.

What a unit is follows the stages of ERNIE 1.0 (arXiv 1904.09223, section 3.2): `basic` a Chinese character or an
English word; `phrase` also words and phrases of the samples' spans; `entity` also their named entities. A plan mixes
them by weight, the same for all stages or stage by stage; each sample draws its kind of unit.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from ernie_paddle.config import Settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.samples import BEGIN, IGNORED, INSIDE, NAMED_ENTITY
from ernie_paddle.keyed_random import keyed_hash, uniforms
from ernie_paddle.registry import Registry
from ernie_paddle.task import Feed, Labels, Level, Objective, Outcome, Task, padded
from ernie_paddle.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ernie_paddle.programs.network import Network

MASKED_SHARE = 0.15
MASK_UNTIL, RANDOM_UNTIL = 0.8, 0.9


class UnitWeights(Settings):
    """How often samples are masked by each kind of unit."""

    basic: float = Field(default=0.0, ge=0)
    phrase: float = Field(default=0.0, ge=0)
    entity: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _some(self) -> "UnitWeights":
        if not self.basic + self.phrase + self.entity:
            raise ValueError("one of basic, phrase, entity needs a weight above 0")
        return self


class MaskingOptions(Settings):
    """`units`: weights for all stages, or a list with those of each stage, the last for all later ones too."""

    units: UnitWeights | Annotated[list[UnitWeights], Field(min_length=1)] = UnitWeights(entity=1)


class MaskedLanguageModel(Objective):
    """Cross entropy over the vocabulary at masked positions; output weights tied to the word embedding."""

    level: Level = "token"
    column = "span_codes"
    Options: ClassVar[type[Settings]] = MaskingOptions

    def __init__(self, units: Sequence[UnitWeights] = (UnitWeights(entity=1),)):
        """`units` by stage; held-out samples are scored with those of the last."""
        self.units = tuple(units)

    def configured(self, options: Settings) -> "MaskedLanguageModel":
        assert isinstance(options, MaskingOptions)
        return MaskedLanguageModel(options.units if isinstance(options.units, list) else [options.units])

    def in_stage(self, stage: int) -> "MaskedLanguageModel":
        return MaskedLanguageModel([self.units[min(stage, len(self.units) - 1)]])

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed("mask_labels", (-1,), "int64"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        ids = batch.columns["input_ids"]
        codes = unit_codes(batch, self.units[-1], vocabulary, key)
        chosen, batch.columns["input_ids"] = mask_units(batch, codes, vocabulary, key)
        tokens, labels = padded(chosen, ids[chosen].astype(np.int64))
        return Labels(tokens, {"mask_labels": labels}, labels)

    def build(self, network: "Network", outputs: Any, inputs: dict[str, Any]) -> Outcome:
        logits = self.logits(network, outputs)
        return Outcome(*network.cross_entropy(logits, inputs["mask_labels"]), logits)

    def logits(self, network: "Network", outputs: Any) -> Any:
        return network.masked_lm_logits(outputs)

    def classes(self, vocabulary_size: int) -> int:
        return vocabulary_size


def unit_codes(batch: Batch, weights: UnitWeights, vocabulary: Vocabulary, key: int) -> np.ndarray:
    """Codes of the units to mask [tokens], as `span_codes`, by a kind of unit drawn for each sample."""
    spans = batch.columns["span_codes"]
    if not weights.basic + weights.phrase:
        return spans
    inside = vocabulary.continues_word[batch.columns["input_ids"]]
    basic = np.where(spans == IGNORED, IGNORED, np.where(inside, INSIDE, BEGIN))
    phrase = np.where(batch.columns["span_kinds"] == NAMED_ENTITY, basic, spans)
    shares = np.cumsum([weights.basic, weights.phrase, weights.entity])
    kind = np.searchsorted(shares / shares[-1], uniforms(keyed_hash(key, "units"), batch.rows), side="right")
    return np.choose(np.repeat(kind, batch.lengths), [basic, phrase, spans])


def mask_units(batch: Batch, codes: np.ndarray, vocabulary: Vocabulary, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose units and mask them; `key` and the token's sample and position determine every draw.

    `codes` [tokens] are 0 at the first token of a unit, 1 inside, -1 at special tokens.
    Returns the numbers of the tokens to predict, and the ids with those tokens masked.
    """
    ids = batch.columns["input_ids"]
    row, column = batch.row_of_token, batch.positions
    first = np.maximum.accumulate(np.where(codes == BEGIN, np.arange(len(ids)), -1))
    first = np.where(first < np.repeat(batch.first_tokens, batch.lengths), -1, first)
    selected = uniforms(key, row, column)[np.maximum(first, 0)] < MASKED_SHARE
    chosen = np.flatnonzero(selected & (first >= 0) & (codes != IGNORED))
    how, which = (uniforms(key, row[chosen], column[chosen], draw) for draw in (1, 2))
    ordinary = vocabulary.ordinary_ids
    random_ids = ordinary[(which * len(ordinary)).astype(np.int64)]
    masked = ids.copy()
    masked[chosen] = np.where(
        how < MASK_UNTIL, vocabulary.mask_id, np.where(how < RANDOM_UNTIL, random_ids, ids[chosen])
    )
    return chosen, masked


def register(registry: Registry) -> None:
    task = Task("knowledge_masking", 0, MaskedLanguageModel(), always_companion=True)
    registry.pretraining_tasks.add(task.name, task)
