"""Vocabularies and settings of tokenizers in the files of both libraries.

`vocab.txt` with `tokenizer_config.json`, or `tokenizer.json` alone, which transformers 5 saves.
"""

from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json, write_json, written_whole
from ernie_paddle.text.vocabulary import CONTINUATION, SPECIAL_TOKENS, Vocabulary, unused_place
from ernie_paddle.training.checkpoint import VOCABULARY_FILE, Model

CONFIG, FAST = "tokenizer_config.json", "tokenizer.json"
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


def vocabulary_file(folder: Path) -> Path:
    """Return the file with the vocabulary: `vocab.txt`, or `tokenizer.json` where that alone is there."""
    only_fast = (folder / FAST).is_file() and not (folder / VOCABULARY_FILE).is_file()
    return folder / (FAST if only_fast else VOCABULARY_FILE)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read `vocab.txt` or `tokenizer.json`.

    Raises:
        UserError: the file is missing or damaged, or its tokenizer is not BERT's WordPiece.
    """
    return _read_fast(path) if path.suffix == ".json" else Vocabulary.load(path)


def keeps_capitals(folder: Path) -> bool:
    """Does the tokenizer in this folder leave capital letters as they are? Ours lower-cases."""
    lower_case = None
    if (folder / CONFIG).is_file():
        lower_case = read_json(folder / CONFIG, "tokenizer").get("do_lower_case")
    if lower_case is None and (folder / FAST).is_file():
        lower_case = _lower_cases(read_json(folder / FAST, "tokenizer").get("normalizer"))
    return lower_case is False


def longest_input(folder: Path, positions: int) -> int:
    """Return how many tokens the tokenizer gives a model with this many positions."""
    told = read_json(folder / CONFIG, "tokenizer").get("model_max_length") if (folder / CONFIG).is_file() else None
    return min(int(told), positions) if isinstance(told, int | float) and told >= 3 else positions


def _read_fast(path: Path) -> Vocabulary:
    tree = read_json(path, "tokenizer")
    model = tree.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise UserError(f"{path}: holds no WordPiece vocabulary; name one with --vocab")
    prefix = model.get("continuing_subword_prefix", CONTINUATION)
    if model.get("type", "WordPiece") != "WordPiece" or prefix != CONTINUATION:
        raise UserError(f"{path}: a {model.get('type')} tokenizer with pieces '{prefix}', expected WordPiece and '##'")
    added = [one for one in tree.get("added_tokens") or [] if isinstance(one, dict)]
    pairs = [*model["vocab"].items(), *((one.get("content"), one.get("id")) for one in added)]
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
    """Does a normalizer of `tokenizer.json` lower-case, alone or as one of several? None: it does not say."""
    if not isinstance(normalizer, dict):
        return None
    if normalizer.get("type") == "Lowercase":
        return True
    told = [normalizer.get("lowercase"), *map(_lower_cases, normalizer.get("normalizers") or [])]
    return next((one for one in told if one is not None), None)
