"""What a pre-training run will need, told before it starts; imports no Paddle.

Memory is an estimate: parameters, gradients and moments exactly, activations by what the backward pass keeps.
"""

from dataclasses import dataclass
from pathlib import Path

from ernie_paddle.data.order import NO_LIMIT
from ernie_paddle.data.shards import MANIFEST, Manifest
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.settings import TrainSettings
from ernie_paddle.training.plan import StagePlan

FLOAT = 4  # bytes
STATE = 4 * FLOAT  # a parameter, its gradient buffer and two moments
MASKED_SHARE = 0.15  # of the tokens, whose scores of the whole vocabulary are kept


@dataclass(frozen=True)
class TaskNeeds:
    """A task's samples: those there are, and those that its updates take."""

    samples: int
    samples_needed: int

    @property
    def epochs(self) -> float:
        return self.samples_needed / self.samples


@dataclass(frozen=True)
class Needs:
    """Figures of a run on so many devices; tokens count padding, `tasks` holds those whose shards are there."""

    parameters: int
    updates: int
    micro_batch_tokens: int
    micro_batches: int
    per_device: tuple[int, int]  # fewest and most micro-batches that a device has of an update
    state_bytes: int
    activation_bytes: int
    tasks: dict[str, TaskNeeds]

    @property
    def update_tokens(self) -> int:
        return self.micro_batches * self.micro_batch_tokens


def needs(config: ErnieConfig, plan: StagePlan, train: TrainSettings, shards: Path, devices: int) -> Needs:
    """What a plan needs; samples are counted where `shards` holds them."""
    manifests = {task: Manifest.load(shards / task) for task in plan.tasks if (shards / task / MANIFEST).is_file()}
    length = max((one.max_length for one in manifests.values()), default=config.max_position_embeddings)
    size = train.batch_size
    tokens = size.tokens if size.tokens < NO_LIMIT else size.samples * length
    parameters = parameter_count(config)
    low = 0 if train.precision == "fp32" else parameters * FLOAT // 2  # the copies that products take
    return Needs(
        parameters=parameters,
        updates=plan.total,
        micro_batch_tokens=tokens,
        micro_batches=train.accumulation,
        per_device=(train.accumulation // devices, -(-train.accumulation // devices)),
        state_bytes=parameters * STATE + low,
        activation_bytes=activation_bytes(config, train, tokens, min(length, tokens)),
        tasks={
            task: TaskNeeds(manifest.count("train"), _samples_needed(plan, task, train, manifest))
            for task, manifest in manifests.items()
        },
    )


def parameter_count(config: ErnieConfig) -> int:
    """Parameters of the encoder with its pooler and the masked-LM head; other heads are small."""
    hidden, inner, norm = config.hidden_size, config.ffn_size, 2 * config.hidden_size
    rows = config.vocab_size + config.max_position_embeddings + config.sent_type_vocab_size
    rows += config.task_type_vocab_size if config.use_task_id else 0
    linear = hidden * hidden + hidden
    layer = 4 * linear + (hidden * inner + inner) + (inner * hidden + hidden) + 2 * norm
    masked_lm = linear + norm + config.vocab_size
    return rows * hidden + norm + config.num_hidden_layers * layer + linear + masked_lm


def activation_bytes(config: ErnieConfig, train: TrainSettings, tokens: int, length: int) -> int:
    """What a micro-batch of samples of the greatest length keeps for its backward pass."""
    hidden = 13 * config.hidden_size + 3 * config.ffn_size  # inputs of products, norms, activation and dropouts
    attention = 3 * config.num_attention_heads * length  # scores, weights, and weights after dropout
    scores = 3 * MASKED_SHARE * config.vocab_size
    width = FLOAT if train.precision == "fp32" else FLOAT // 2
    return int(tokens * (config.num_hidden_layers * (hidden + attention) * width + scores * FLOAT))


def _samples_needed(plan: StagePlan, task: str, train: TrainSettings, manifest: Manifest) -> int:
    """Samples of a task that its updates take; batches are full but for padding."""
    updates = sum(row[plan.tasks.index(task)] for row in plan.matrix)
    mean = manifest.count("train", "tokens") / manifest.count("train")
    size = train.batch_size
    return round(updates * train.accumulation * min(size.samples, size.tokens / mean))
