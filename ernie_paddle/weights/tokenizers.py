"""The tokenizer files of PaddleNLP and Hugging Face.

They are `vocab.txt` with `tokenizer_config.json`, or `tokenizer.json` alone, which transformers 5 saves.
"""

from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, read_json, write_json
from ernie_paddle.model.saved import Model
from ernie_paddle.text.vocabulary import CONTINUATION, SPECIAL_TOKENS, VOCABULARY_FILE, Vocabulary, unused_token

CONFIG, FAST = "tokenizer_config.json", "tokenizer.json"
SPECIAL = {
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "unk_token": "[UNK]",
}


def write_tokenizer(folder: Path, model: Model, tokenizer_class: str) -> None:
    """Write `vocab.txt`, with `unused_token` for ids without a token, and `tokenizer_config.json`."""
    vocabulary = model.vocabulary
    with atomic_write(folder / VOCABULARY_FILE) as file:
        file.writelines(f"{vocabulary.tokens.get(i, unused_token(i))}\n" for i in range(vocabulary.size))
    tree: dict[str, Any] = {"tokenizer_class": tokenizer_class, "do_lower_case": True}
    write_json(folder / CONFIG, tree | {"model_max_length": model.config.max_position_embeddings} | SPECIAL)


def vocabulary_file(folder: Path) -> Path:
    """Return the path of the vocabulary: `vocab.txt`, or `tokenizer.json` if only that is there."""
    only_fast = (folder / FAST).is_file() and not (folder / VOCABULARY_FILE).is_file()
    return folder / (FAST if only_fast else VOCABULARY_FILE)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read `vocab.txt` or `tokenizer.json`.

    Raises:
        UserError: the file is missing or damaged, or its tokenizer is not BERT's WordPiece.
    """
    return _read_fast(path) if path.suffix == ".json" else Vocabulary.load(path)


def keeps_capitals(folder: Path) -> bool:
    """Return whether the tokenizer in this folder keeps capital letters, which ours lower-cases."""
    lower_case = None
    if (folder / CONFIG).is_file():
        lower_case = read_json(folder / CONFIG, "tokenizer").get("do_lower_case")
    if lower_case is None and (folder / FAST).is_file():
        lower_case = _lower_cases(read_json(folder / FAST, "tokenizer").get("normalizer"))
    return lower_case is False


def longest_input(folder: Path, positions: int) -> int:
    """Return the longest input in tokens: the tokenizer's `model_max_length`, at most the model's positions."""
    longest = read_json(folder / CONFIG, "tokenizer").get("model_max_length") if (folder / CONFIG).is_file() else None
    return min(int(longest), positions) if isinstance(longest, int | float) and longest >= 3 else positions


def _read_fast(path: Path) -> Vocabulary:
    tree = read_json(path, "tokenizer")
    model = tree.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise UserError(f"{path}: holds no WordPiece vocabulary; name one with --vocab")
    prefix = model.get("continuing_subword_prefix", CONTINUATION)
    if model.get("type", "WordPiece") != "WordPiece" or prefix != CONTINUATION:
        raise UserError(f"{path}: a {model.get('type')} tokenizer with pieces '{prefix}', expected WordPiece and '##'")
    added = [token for token in tree.get("added_tokens") or [] if isinstance(token, dict)]
    pairs = [*model["vocab"].items(), *((token.get("content"), token.get("id")) for token in added)]
    ids: dict[str, int] = {}
    for token, index in pairs:
        if not isinstance(token, str) or type(index) is not int or index < 0 or ids.get(token, index) != index:
            raise UserError(f"{path}: token {token!r} has id {index!r}, expected one number from 0 on")
        ids[token] = index
    if len(set(ids.values())) != len(ids):
        raise UserError(f"{path}: two tokens have the same id")
    missing = [token for token in SPECIAL_TOKENS if token not in ids]
    if missing:
        raise UserError(f"{path}: not a vocabulary: {', '.join(missing)} missing")
    return Vocabulary(ids)


def _lower_cases(normalizer: Any) -> bool | None:
    """Return whether a normalizer of `tokenizer.json`, or one within it, lower-cases; None if it does not say."""
    if not isinstance(normalizer, dict):
        return None
    if normalizer.get("type") == "Lowercase":
        return True
    settings = [normalizer.get("lowercase"), *map(_lower_cases, normalizer.get("normalizers") or [])]
    return next((setting for setting in settings if setting is not None), None)
