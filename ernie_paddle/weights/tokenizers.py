"""The tokenizer files of PaddleNLP and Hugging Face.

They are `vocab.txt` with `tokenizer_config.json`, or `tokenizer.json` alone, which transformers 5 saves.
"""

from pathlib import Path
from typing import Any

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, read_json, write_json
from ernie_paddle.model.saved import Model
from ernie_paddle.text.vocabulary import (
    CONTINUATION,
    FAST_TOKENIZER,
    LOWER_CASE,
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG,
    VOCABULARY_FILE,
    Vocabulary,
    lower_cases,
    normalizer_lower_cases,
    unused_token,
)

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
    tree: dict[str, Any] = {"tokenizer_class": tokenizer_class, LOWER_CASE: vocabulary.lower_case}
    write_json(folder / TOKENIZER_CONFIG, tree | {"model_max_length": model.config.max_position_embeddings} | SPECIAL)


def vocabulary_file(folder: Path) -> Path:
    """Return the path of the vocabulary: `vocab.txt`, or `tokenizer.json` if only that is there."""
    only_fast = (folder / FAST_TOKENIZER).is_file() and not (folder / VOCABULARY_FILE).is_file()
    return folder / (FAST_TOKENIZER if only_fast else VOCABULARY_FILE)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read `vocab.txt` or `tokenizer.json`.

    Raises:
        UserError: the file is missing or damaged, or its tokenizer is not BERT's WordPiece.
    """
    return _read_fast(path) if path.suffix == ".json" else Vocabulary.load(path)


def differences(folder: Path, vocabulary: Vocabulary) -> list[str]:
    """Return sentences about texts that the tokenizer in a folder reads differently than that of the vocabulary."""
    config, fast = folder / TOKENIZER_CONFIG, folder / FAST_TOKENIZER
    normalizer = read_json(fast, "tokenizer").get("normalizer") if fast.is_file() else None
    settings = dict(normalizer) if isinstance(normalizer, dict) else {}
    settings["tokenize_chinese_chars"] = settings.get("handle_chinese_chars")
    declared = read_json(config, "tokenizer config") if config.is_file() else {}
    settings |= {name: value for name, value in declared.items() if value is not None}
    notes = []
    if (config.is_file() or fast.is_file()) and lower_cases(folder) != vocabulary.lower_case:
        notes.append(
            f"its tokenizer does not treat capital letters as this vocabulary does, which is {vocabulary.case}"
        )
    if settings.get("strip_accents") is (not vocabulary.lower_case):
        theirs, ours = ("keeps", "strips") if vocabulary.lower_case else ("strips", "keeps")
        notes.append(f"its tokenizer {theirs} accents, but that of this project {ours} them, as BERT's does by default")
    if settings["tokenize_chinese_chars"] is False:
        notes.append("its tokenizer does not separate Chinese characters, but that of this project does")
    return notes


def longest_input(folder: Path, positions: int) -> int:
    """Return the longest input in tokens: the tokenizer's `model_max_length`, at most the model's positions."""
    config = folder / TOKENIZER_CONFIG
    longest = read_json(config, "tokenizer config").get("model_max_length") if config.is_file() else None
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
    belongs_to_folder = path.name == FAST_TOKENIZER  # so that tokenizer_config.json counts too
    lower_case = lower_cases(path.parent) if belongs_to_folder else normalizer_lower_cases(tree.get("normalizer"))
    return Vocabulary(ids, lower_case)
