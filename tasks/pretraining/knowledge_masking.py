"""Knowledge masking (paper section 4.2.1): predict words, phrases and entities that are masked as a whole.

The units are given by `bi_tags`. They are masked as in the release (`batching.py`, `mask_word`): a unit is selected if
the draw of its first token is below 0.15. Then each of its tokens becomes `[MASK]` (80 %), a random token (10 %) or
stays (10 %), by a separate draw. All tokens of a selected unit are predicted. Masks are drawn when a batch is prepared,
with new draws in each epoch.

The types of units are the stages of ERNIE 1.0 (arXiv 1904.09223, section 3.2). `basic` units are Chinese characters and
English words, `phrase` adds the words and phrases of the samples' spans, and `entity` adds their named entities. A plan
weights the types, for all stages or stage by stage. Each sample draws the type of its units.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from ernie_paddle.config import Settings
from ernie_paddle.data.batch import Batch
from ernie_paddle.data.feeds import Feed
from ernie_paddle.data.schema import IGNORED, INPUT_IDS, Level
from ernie_paddle.data.spans import BEGIN, BI_TAGS, INSIDE, NAMED_ENTITY, SPAN_KINDS
from ernie_paddle.keyed_random import keyed_hash, uniforms
from ernie_paddle.registry import Registry
from ernie_paddle.task import HeadNetwork, HeadOutput, Labels, Objective, Task, pad_labels
from ernie_paddle.text.vocabulary import Vocabulary

MASKED_SHARE = 0.15
MASK_UNTIL, RANDOM_UNTIL = 0.8, 0.9


class UnitWeights(Settings):
    """The weights of the types of units."""

    basic: float = Field(default=0.0, ge=0)
    """Weight of samples that are masked by words, in Chinese by characters."""
    phrase: float = Field(default=0.0, ge=0)
    """Weight of samples that are masked by words and phrases."""
    entity: float = Field(default=0.0, ge=0)
    """Weight of samples that are masked by words, phrases and named entities."""

    @model_validator(mode="after")
    def _some(self) -> "UnitWeights":
        if not self.basic + self.phrase + self.entity:
            raise ValueError("at least one of basic, phrase and entity needs a weight above 0")
        return self


class MaskingOptions(Settings):
    """The options of knowledge masking."""

    units: UnitWeights | Annotated[list[UnitWeights], Field(min_length=1)] = UnitWeights(entity=1)
    """Weights for all stages, or a list with those of each stage; the last holds for all later ones."""


class MaskedLanguageModelObjective(Objective):
    """Cross entropy over the vocabulary at masked positions, with output weights tied to the word embedding."""

    level: Level = "token"
    column = BI_TAGS
    predicts_tokens: ClassVar[bool] = True
    Options: ClassVar[type[Settings]] = MaskingOptions

    def __init__(self, units: Sequence[UnitWeights] = (UnitWeights(entity=1),)):
        """`units` are the weights by stage. Held-out samples are scored with those of the last stage."""
        self.units = tuple(units)

    def configured(self, options: Settings) -> "MaskedLanguageModelObjective":
        assert isinstance(options, MaskingOptions)
        return MaskedLanguageModelObjective(options.units if isinstance(options.units, list) else [options.units])

    def in_stage(self, stage: int) -> "MaskedLanguageModelObjective":
        return MaskedLanguageModelObjective([self.units[min(stage, len(self.units) - 1)]])

    def feeds(self) -> tuple[Feed, ...]:
        return (Feed("mask_labels", (-1,), "int64"),)

    def label(self, batch: Batch, vocabulary: Vocabulary, key: int) -> Labels:
        ids = batch.columns[INPUT_IDS]
        bi_tags = unit_tags(batch, self.units[-1], vocabulary, key)
        selected, batch.columns[INPUT_IDS] = mask_units(batch, bi_tags, vocabulary, key)
        tokens, labels = pad_labels(selected, ids[selected].astype(np.int64))
        return Labels(tokens, {"mask_labels": labels}, labels)

    def build(self, network: HeadNetwork, outputs: Any, inputs: dict[str, Any]) -> HeadOutput:
        logits = self.logits(network, outputs)
        return HeadOutput(*network.cross_entropy(logits, inputs["mask_labels"]), logits)

    def logits(self, network: HeadNetwork, outputs: Any) -> Any:
        return network.masked_lm_logits(outputs)

    def classes(self, vocabulary_size: int) -> int:
        return vocabulary_size


def unit_tags(batch: Batch, weights: UnitWeights, vocabulary: Vocabulary, key: int) -> np.ndarray:
    """Return the BI tags [tokens] of the units to mask, with a type of units drawn for each sample."""
    entity = batch.columns[BI_TAGS.name]
    if not weights.basic + weights.phrase:
        return entity
    inside = vocabulary.continues_word[batch.columns[INPUT_IDS]]
    basic = np.where(entity == IGNORED, IGNORED, np.where(inside, INSIDE, BEGIN))
    phrase = np.where(batch.columns[SPAN_KINDS.name] == NAMED_ENTITY, basic, entity)
    shares = np.cumsum([weights.basic, weights.phrase, weights.entity])
    unit_type = np.searchsorted(shares / shares[-1], uniforms(keyed_hash(key, "units"), batch.rows), side="right")
    return np.choose(np.repeat(unit_type, batch.lengths), [basic, phrase, entity])


def mask_units(batch: Batch, bi_tags: np.ndarray, vocabulary: Vocabulary, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Select units and mask them. Every draw derives from `key`, the token's sample and its position.

    `bi_tags` [tokens] are 0 at the first token of a unit, 1 inside, -1 at special tokens.
    Returns the numbers of the tokens to predict, and the ids with those tokens masked.
    """
    ids = batch.columns[INPUT_IDS]
    row, column = batch.row_of_token, batch.positions
    first = np.maximum.accumulate(np.where(bi_tags == BEGIN, np.arange(len(ids)), -1))
    first = np.where(first < np.repeat(batch.first_tokens, batch.lengths), -1, first)
    unit_is_selected = uniforms(key, row, column)[np.maximum(first, 0)] < MASKED_SHARE
    selected = np.flatnonzero(unit_is_selected & (first >= 0) & (bi_tags != IGNORED))
    action, replacement = (uniforms(key, row[selected], column[selected], draw) for draw in (1, 2))
    ordinary = vocabulary.ordinary_ids
    random_ids = ordinary[(replacement * len(ordinary)).astype(np.int64)]
    masked = ids.copy()
    masked[selected] = np.where(
        action < MASK_UNTIL, vocabulary.mask_id, np.where(action < RANDOM_UNTIL, random_ids, ids[selected])
    )
    return selected, masked


def register(registry: Registry) -> None:
    task = Task("knowledge_masking", 0, MaskedLanguageModelObjective(), always_auxiliary=True)
    registry.pretraining_tasks.add(task.name, task)
