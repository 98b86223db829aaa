"""Encoder sizes, with the keys of the release's `ernie_config.json`."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ernie_paddle.config import Settings, check_settings, shipped
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json

CONFIG_FILE = "ernie_config.json"


class ErnieConfig(Settings):
    """Sizes of the encoder. `intermediate_size` is 4 x hidden where the file does not say.

    The released English models carry no task embedding, so `use_task_id` is off unless a file turns it on.
    """

    vocab_size: int = Field(ge=6)
    hidden_size: int = Field(ge=1)
    num_hidden_layers: int = Field(ge=1)
    num_attention_heads: int = Field(ge=1)
    hidden_act: Literal["gelu", "relu"]
    intermediate_size: int | None = Field(default=None, ge=1)
    max_position_embeddings: int = Field(ge=4)
    sent_type_vocab_size: int = Field(default=4, ge=1)
    task_type_vocab_size: int = Field(default=16, ge=1)
    use_task_id: bool = False
    hidden_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    attention_probs_dropout_prob: float = Field(default=0.1, ge=0, lt=1)
    initializer_range: float = Field(default=0.02, gt=0)
    layer_norm_epsilon: float = Field(default=1e-5, gt=0)  # fluid's, hence the release's; BERT has 1e-12

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> "ErnieConfig":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads")
        return self

    def check_task_id(self, task_id: int, where: str) -> None:
        """Raise a `UserError`, which begins with `where`, if the task embedding has no such row."""
        if self.use_task_id and task_id >= self.task_type_vocab_size:
            raise UserError(
                f"{where}: the task id is {task_id}, the model's task embedding has the rows 0 to "
                f"{self.task_type_vocab_size - 1}"
            )

    @property
    def ffn_size(self) -> int:
        return self.intermediate_size or 4 * self.hidden_size

    def with_dropout(self, rate: float) -> "ErnieConfig":
        """The same sizes with this dropout of hidden values and attention."""
        return self.model_copy(update={"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate})

    @classmethod
    def load(cls, path: Path) -> "ErnieConfig":
        """Read `ernie_config.json`; ERNIE 1.0's `type_vocab_size` is taken as `sent_type_vocab_size`.

        `configs/...` may be a shipped file.

        Raises:
            UserError: missing file, unknown key, impossible size.
        """
        tree = read_json(shipped(path), "model configuration")
        if "type_vocab_size" in tree:
            tree["sent_type_vocab_size"] = tree.pop("type_vocab_size")
        return check_settings(cls, tree, str(path))

    def save(self, path: Path) -> None:
        write_json(path, json.loads(self.model_dump_json(exclude_none=True)))
