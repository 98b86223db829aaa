"""The requirements of a pre-training run: steps, tokens, samples and memory. Imports no Paddle.

The memory of parameters, gradients and moments is exact. That of activations is an estimate of what the backward pass
keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ernie_paddle.data.order import NO_LIMIT
from ernie_paddle.data.shards import CorpusInfo
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.settings import PretrainSettings, corpora_of
from ernie_paddle.settings import ImplSettings, TrainSettings
from ernie_paddle.training.stage_plan import StagePlan

FLOAT = 4  # bytes
STATE = 4 * FLOAT  # bytes of a parameter, its gradient buffer and its two moments
MASKED_SHARE = 0.15  # share of the tokens for which scores over the whole vocabulary are kept


@dataclass(frozen=True)
class SampleRequirements:
    """The number of training samples that there are, and the number that the steps of a task draw, with repetitions."""

    samples: int
    samples_needed: int

    @property
    def epochs(self) -> float:
        return self.samples_needed / self.samples if self.samples else 0.0


@dataclass(frozen=True)
class TaskRequirements(SampleRequirements):
    """The samples of a task, and those of each of its corpora."""

    corpora: dict[str, SampleRequirements]


@dataclass(frozen=True)
class Requirements:
    """The requirements of a run. Tokens include padding; `tasks` holds the tasks whose shards exist."""

    parameters: int
    steps: int
    micro_batch_tokens: int
    micro_batches: int  # per step
    per_device: tuple[int, int]  # fewest and most micro-batches of a step on one device
    state_bytes: int
    activation_bytes: int
    tasks: dict[str, TaskRequirements]

    @property
    def step_tokens(self) -> int:
        return self.micro_batches * self.micro_batch_tokens


def requirements(config: ErnieConfig, plan: StagePlan, settings: PretrainSettings, devices: int) -> Requirements:
    """Return the requirements of a plan on `devices` devices. Samples are counted for tasks with shards."""
    train, size = settings.train, settings.train.batch_size
    manifests = {task: found for task in plan.tasks if (found := settings.data.manifests(task))}
    longest = (manifest.max_length for found in manifests.values() for manifest in found.values())
    length = max(longest, default=config.max_position_embeddings)
    tokens = size.tokens if size.tokens < NO_LIMIT else size.samples * length
    parameters = parameter_count(config)
    low_precision = 0 if train.precision in ("fp32", "tf32") else parameters * FLOAT // 2  # copies for matrix products
    return Requirements(
        parameters=parameters,
        steps=plan.total,
        micro_batch_tokens=tokens,
        micro_batches=train.accumulation,
        per_device=(train.accumulation // devices, -(-train.accumulation // devices)),
        state_bytes=parameters * STATE + low_precision,
        activation_bytes=activation_bytes(config, train, settings.impl, tokens, min(length, tokens)),
        tasks={task: _task_requirements(plan, task, settings, corpora_of(found)) for task, found in manifests.items()},
    )


def parameter_count(config: ErnieConfig) -> int:
    """Return the number of parameters of the encoder, its pooler and the masked-LM head. Other heads are small."""
    hidden, inner, norm = config.hidden_size, config.ffn_size, 2 * config.hidden_size
    rows = config.vocab_size + config.max_position_embeddings + config.sent_type_vocab_size
    rows += config.task_type_vocab_size if config.use_task_id else 0
    linear = hidden * hidden + hidden
    layer = 4 * linear + (hidden * inner + inner) + (inner * hidden + hidden) + 2 * norm
    masked_lm = linear + norm + config.vocab_size
    return rows * hidden + norm + config.num_hidden_layers * layer + linear + masked_lm


def activation_bytes(config: ErnieConfig, train: TrainSettings, impl: ImplSettings, tokens: int, length: int) -> int:
    """Return the bytes that a micro-batch of samples of `length` tokens keeps for its backward pass.

    What `impl.recompute` saves is not subtracted. `impl.attention: automatic` counts as padded attention, since another
    machine than this one may train.
    """
    hidden = 13 * config.hidden_size + 3 * config.ffn_size  # inputs of products, norms, activations and dropouts
    # Scores, weights, and weights after dropout, of which FlashAttention keeps none.
    attention = 0 if impl.attention == "flash" else 3 * config.num_attention_heads * length
    scores = 3 * MASKED_SHARE * config.vocab_size
    width = FLOAT if train.precision in ("fp32", "tf32") else FLOAT // 2
    return int(tokens * (config.num_hidden_layers * (hidden + attention) * width + scores * FLOAT))


def _task_requirements(
    plan: StagePlan, task: str, settings: PretrainSettings, corpora: Sequence[CorpusInfo]
) -> TaskRequirements:
    """Return the samples that the steps of a task need. Batches are assumed to be full."""
    mixed = settings.mixture(task, {corpus.name: corpus.samples for corpus in corpora})
    per_epoch = np.array([corpus.per_epoch for corpus in mixed])
    shares = per_epoch / per_epoch.sum()
    mean_tokens = shares @ [corpus.tokens / max(corpus.samples, 1) for corpus in corpora]
    size, steps = settings.train.batch_size, sum(row[plan.tasks.index(task)] for row in plan.matrix)
    needed = steps * settings.train.accumulation * min(size.samples, size.tokens / mean_tokens)
    return TaskRequirements(
        sum(corpus.samples for corpus in corpora),
        round(needed),
        {
            corpus.name: SampleRequirements(corpus.samples, round(needed * share))
            for corpus, share in zip(corpora, shares, strict=True)
        },
    )
