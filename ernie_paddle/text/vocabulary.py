"""WordPiece vocabularies in the release's two file formats, and tokenisation with the release's ids.

A vocabulary is lower-cased or cased. A lower-cased one, as the release's are, reads text in lower case and without
accents. A cased one keeps both. Hugging Face's `tokenizer_config.json` beside `vocab.txt` says which it is.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, read_json, read_lines, write_json

VOCABULARY_FILE = "vocab.txt"  # in models, exports and folders of shards
TOKENIZER_CONFIG, FAST_TOKENIZER = "tokenizer_config.json", "tokenizer.json"  # Hugging Face's; they belong to vocab.txt
LOWER_CASE = "do_lower_case"  # key of the tokenizer config
SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
CONTINUATION = "##"
LONGEST_WORD = 100  # characters; the tokenizer takes a longer word for unknown, as BERT's does
MAX_CAPITAL_SHARE = 0.05  # of a lower-cased vocabulary's tokens; more means that it is a cased one


def unused_token(index: int) -> str:
    """Return the placeholder for an unused id, for files that need a token on every line."""
    return f"[hole{index}]"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their ids, and whether text is lower-cased before they are looked up.

    `size` is one more than the largest id.
    """

    ids: dict[str, int]
    lower_case: bool = True

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read `vocab.txt` with a token per line, numbered from 0, or with `token<TAB>id`; the release has both.

        A blank line, or one with `unused_token`, leaves its id unused. `size` does not count unused ids at the end.
        The vocabulary is cased if the tokenizer files beside `vocab.txt` say so (`lower_cases`). A file of another name
        has no tokenizer files and is lower-cased.

        Raises:
            UserError: the file is missing, an id is invalid, a token or id is duplicate, or a special token is missing.
        """
        lines = read_lines(path, "vocabulary")
        with_ids = "\t" in next(filter(None, lines), "")
        ids: dict[str, int] = {}
        token_of: dict[int, str] = {}
        for number, line in enumerate(lines, 1):
            token, tab, text = line.partition("\t")
            if (line and bool(tab) != with_ids) or (tab and not (text.isascii() and text.isdigit())):
                form = "'token<TAB>id'" if with_ids else "a token without a TAB, as in the first line"
                raise UserError(f"{path} line {number}: expected {form}, found {line!r}")
            index = int(text) if tab else number - 1
            if token in ("", unused_token(index)):
                continue
            if token in ids or index in token_of:
                earlier = (
                    f"token {token!r} has id {ids[token]}" if token in ids else f"it is that of {token_of[index]!r}"
                )
                raise UserError(f"{path} line {number}: token {token!r} or id {index} is there twice ({earlier})")
            ids[token] = index
            token_of[index] = token
        missing = [token for token in SPECIAL_TOKENS if token not in ids]
        if missing:
            raise UserError(f"{path}: not a vocabulary: {', '.join(missing)} missing")
        return cls(ids, path.name != VOCABULARY_FILE or lower_cases(path.parent))

    def save(self, path: Path) -> None:
        """Write one token per line, or `token<TAB>id` if some ids are unused.

        Beside `vocab.txt`, `tokenizer_config.json` is written only if the files there do not say the vocabulary's case.

        Raises:
            UserError: the vocabulary is cased and the file has a name other than `vocab.txt`.
        """
        check_file_name(path, self.lower_case)
        if path.name == VOCABULARY_FILE and lower_cases(path.parent) != self.lower_case:
            config = path.with_name(TOKENIZER_CONFIG)
            before = read_json(config, "tokenizer config") if config.is_file() else {}
            write_json(config, before | {LOWER_CASE: self.lower_case})
        ordered = sorted(self.ids.items(), key=lambda item: item[1])
        has_unused_ids = len(ordered) != self.size
        with atomic_write(path) as file:
            file.writelines(f"{token}\t{index}\n" if has_unused_ids else f"{token}\n" for token, index in ordered)

    @property
    def case(self) -> str:
        """`lower-cased` or `cased`, for messages."""
        return "lower-cased" if self.lower_case else "cased"

    @property
    def warnings(self) -> list[str]:
        """A sentence if many tokens have capital letters, but text is lower-cased, so that they are never found."""
        capital = sum(not _in_brackets(token) and token != token.lower() for token in self.ids)
        if not self.lower_case or capital <= MAX_CAPITAL_SHARE * len(self.ids):
            return []
        return [
            f"{capital:,} of {len(self.ids):,} tokens have capital letters and are never found, since text is "
            f'lower-cased; for a cased vocabulary, write {{"{LOWER_CASE}": false}} to {TOKENIZER_CONFIG} beside its '
            f"{VOCABULARY_FILE}"
        ]

    @cached_property
    def size(self) -> int:
        return max(self.ids.values()) + 1

    @cached_property
    def tokens(self) -> dict[int, str]:
        """The tokens by id."""
        return {index: token for token, index in self.ids.items()}

    @cached_property
    def digest(self) -> str:
        """The hash of tokens, ids and case, which does not depend on the file's format."""
        ordered = sorted(self.ids.items(), key=lambda item: item[1])
        lines = [f"{token}\t{index}" for token, index in ordered] + ([] if self.lower_case else [self.case])
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def pad_id(self) -> int:
        return self.ids["[PAD]"]

    @property
    def cls_id(self) -> int:
        return self.ids["[CLS]"]

    @property
    def sep_id(self) -> int:
        return self.ids["[SEP]"]

    @property
    def mask_id(self) -> int:
        return self.ids["[MASK]"]

    @property
    def unk_id(self) -> int:
        return self.ids["[UNK]"]

    @cached_property
    def ordinary_ids(self) -> np.ndarray:
        """The ids that may replace a masked word: of tokens without brackets, unlike `[PAD]` or `[unused1]`."""
        return np.sort([index for token, index in self.ids.items() if not _in_brackets(token)])

    @cached_property
    def continues_word(self) -> np.ndarray:
        """Whether the token of each id continues a word (`##...`), bool [size]."""
        table = np.zeros(self.size, bool)
        table[[i for token, i in self.ids.items() if token.startswith(CONTINUATION) and len(token) > 2]] = True
        return table

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The WordPiece tokenizer, as in BERT and ERNIE. It adds no special tokens.

        A tokenizer that lower-cases text strips accents too.
        """
        tokenizer = Tokenizer(WordPiece(self.ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=self.lower_case)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    def to_text(self, ids: list[int]) -> str:
        """Convert ids to readable text, with word pieces joined and no blanks within Chinese."""
        text = ""
        for index in ids:
            token = self.tokens.get(int(index), f"[{index}?]")
            if token.startswith(CONTINUATION) and len(token) > len(CONTINUATION):
                text += token[len(CONTINUATION) :]
            elif text and (text[-1].isascii() or token[0].isascii()):
                text += f" {token}"
            else:
                text += token
        return text


def check_file_name(path: Path, lower_case: bool) -> None:
    """Raise a `UserError` if a cased vocabulary would get a file to which no `tokenizer_config.json` belongs."""
    if not lower_case and path.name != VOCABULARY_FILE:
        raise UserError(
            f"{path}: the file of a cased vocabulary must be named {VOCABULARY_FILE}, since the {TOKENIZER_CONFIG} "
            "beside it says that it is cased"
        )


def vocabulary_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder from which `Vocabulary.load` reads `vocab.txt`."""
    return [VOCABULARY_FILE, *(name for name in (TOKENIZER_CONFIG, FAST_TOKENIZER) if (folder / name).is_file())]


def lower_cases(folder: Path) -> bool:
    """Return whether the tokenizer of `vocab.txt` in a folder lower-cases text.

    `tokenizer_config.json` decides, or the normalizer of `tokenizer.json` if the former does not say. Without them, the
    tokenizer lower-cases, as the release's does.

    Raises:
        UserError: a file is damaged, or `do_lower_case` is neither true nor false.
    """
    config, fast = folder / TOKENIZER_CONFIG, folder / FAST_TOKENIZER
    declared = read_json(config, "tokenizer config").get(LOWER_CASE) if config.is_file() else None
    if declared is None and fast.is_file():
        return normalizer_lower_cases(read_json(fast, "tokenizer").get("normalizer"))
    if not isinstance(declared, bool | None):
        raise UserError(f"{config}: {LOWER_CASE}: expected true or false, found {declared!r}")
    return declared is not False


def normalizer_lower_cases(normalizer: Any) -> bool:
    """Return whether a normalizer of `tokenizer.json`, or one within it, lower-cases text."""
    if not isinstance(normalizer, dict):
        return False
    lower_cases_itself = normalizer.get("type") == "Lowercase" or normalizer.get("lowercase") is True
    return lower_cases_itself or any(map(normalizer_lower_cases, normalizer.get("normalizers") or []))


def _in_brackets(token: str) -> bool:
    return token.startswith("[") and token.endswith("]") and len(token) > 2
