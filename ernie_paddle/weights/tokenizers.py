"""`vocab.txt` and `tokenizer_config.json` as both libraries read them."""

from pathlib import Path
from typing import Any

from ernie_paddle.files import read_json, write_json, written_whole
from ernie_paddle.text.vocabulary import unused_place
from ernie_paddle.training.checkpoint import VOCABULARY_FILE, Model

CONFIG = "tokenizer_config.json"
SPECIAL = {
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "unk_token": "[UNK]",
}


def write_tokenizer(folder: Path, model: Model, kind: str) -> None:
    """Write a token a line, ids without a token as `unused_place`, and the settings of a tokenizer of class `kind`."""
    vocabulary = model.vocabulary
    with written_whole(folder / VOCABULARY_FILE) as file:
        file.writelines(f"{vocabulary.tokens.get(i, unused_place(i))}\n" for i in range(vocabulary.size))
    tree: dict[str, Any] = {"tokenizer_class": kind, "do_lower_case": True}
    write_json(folder / CONFIG, tree | {"model_max_length": model.config.max_position_embeddings} | SPECIAL)


def keeps_capitals(folder: Path) -> bool:
    """Does the tokenizer in this folder leave capital letters as they are? Ours lower-cases."""
    return (folder / CONFIG).is_file() and read_json(folder / CONFIG, "tokenizer").get("do_lower_case") is False
