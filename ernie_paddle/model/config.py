"""The encoder's configuration, with the keys of the release's `ernie_config.json`."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ernie_paddle.config import Settings, check_settings, shipped
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json

CONFIG_FILE = "ernie_config.json"


class ErnieConfig(Settings):
    """The sizes of the encoder. `intermediate_size` defaults to 4 x hidden.

    `use_task_id` defaults to false, since the released English models have no task embedding.
    """

    vocab_size: int = Field(ge=6)
    """Entries of the vocabulary."""
    hidden_size: int = Field(ge=1)
    """Width of the encoder; a multiple of `num_attention_heads`."""
    num_hidden_layers: int = Field(ge=1)
    """Layers of the encoder."""
    num_attention_heads: int = Field(ge=1)
    """Heads of attention in each layer."""
    hidden_act: Literal["gelu", "relu"]
    """Activation of the feed-forward layers."""
    intermediate_size: int | None = Field(default=None, ge=1)
    """Width of the feed-forward layers; `null`: 4 x `hidden_size`."""
    max_position_embeddings: int = Field(ge=4)
    """Rows of the position embedding: tokens of the longest sample."""
    sent_type_vocab_size: int = Field(default=4, ge=1)
    """Rows of the sentence embedding."""
    task_type_vocab_size: int = Field(default=16, ge=1)
    """Rows of the task embedding."""
    use_task_id: bool = False
    """Whether there is a task embedding; the released English models have none."""
    hidden_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    """Dropout after embeddings and layers."""
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of attention weights."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights."""
    layer_norm_epsilon: float = Field(default=1e-5, gt=0)
    """Epsilon of LayerNorm: 1e-5 in the release, 1e-12 in BERT."""

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> "ErnieConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads")
        return self

    def check_task_id(self, task_id: int, where: str) -> None:
        """Raise a `UserError` that begins with `where` if the task embedding has no row for the task id."""
        if self.use_task_id and task_id >= self.task_type_vocab_size:
            raise UserError(
                f"{where}: the task id is {task_id}, the model's task embedding has the rows 0 to "
                f"{self.task_type_vocab_size - 1}"
            )

    @property
    def ffn_size(self) -> int:
        return self.intermediate_size or 4 * self.hidden_size

    def with_dropout(self, rate: float) -> "ErnieConfig":
        """Return a copy with this rate for hidden and attention dropout."""
        return self.model_copy(update={"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate})

    @classmethod
    def load(cls, path: Path) -> "ErnieConfig":
        """Read `ernie_config.json`, also with ERNIE 1.0's `type_vocab_size` for `sent_type_vocab_size`.

        A path `configs/...` may name a shipped file.

        Raises:
            UserError: the file is missing, a key is unknown or a size is invalid.
        """
        tree = read_json(shipped(path), "model configuration")
        if "type_vocab_size" in tree:
            tree["sent_type_vocab_size"] = tree.pop("type_vocab_size")
        return check_settings(cls, tree, str(path))

    def save(self, path: Path) -> None:
        write_json(path, json.loads(self.model_dump_json(exclude_none=True)))
