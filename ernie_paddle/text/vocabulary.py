"""WordPiece vocabularies in the release's two file formats, and tokenisation with the release's ids."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, read_lines

VOCABULARY_FILE = "vocab.txt"  # in models, exports and folders of shards
SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
CONTINUATION = "##"
LONGEST_WORD = 100  # characters; the tokenizer takes a longer word for unknown, as BERT's does


def unused_token(index: int) -> str:
    """Return the placeholder for an unused id, for files that need a token on every line."""
    return f"[hole{index}]"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens and their ids. `size` is one more than the largest id."""

    ids: dict[str, int]

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read `vocab.txt` with a token per line, numbered from 0, or with `token<TAB>id`; the release has both.

        A blank line, or one with `unused_token`, leaves its id unused. `size` does not count unused ids at the end.

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
        return cls(ids)

    def save(self, path: Path) -> None:
        """Write one token per line, or `token<TAB>id` if some ids are unused."""
        ordered = sorted(self.ids.items(), key=lambda item: item[1])
        has_unused_ids = len(ordered) != self.size
        with atomic_write(path) as file:
            file.writelines(f"{token}\t{index}\n" if has_unused_ids else f"{token}\n" for token, index in ordered)

    @cached_property
    def size(self) -> int:
        return max(self.ids.values()) + 1

    @cached_property
    def tokens(self) -> dict[int, str]:
        """The tokens by id."""
        return {index: token for token, index in self.ids.items()}

    @cached_property
    def digest(self) -> str:
        """The hash of tokens and ids, which does not depend on the file's format."""
        ordered = sorted(self.ids.items(), key=lambda item: item[1])
        return hashlib.sha256("\n".join(f"{token}\t{index}" for token, index in ordered).encode()).hexdigest()

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
        bracketed = (token.startswith("[") and token.endswith("]") and len(token) > 2 for token in self.ids)
        return np.sort([index for index, special in zip(self.ids.values(), bracketed, strict=True) if not special])

    @cached_property
    def continues_word(self) -> np.ndarray:
        """Whether the token of each id continues a word (`##...`), bool [size]."""
        table = np.zeros(self.size, bool)
        table[[i for token, i in self.ids.items() if token.startswith(CONTINUATION) and len(token) > 2]] = True
        return table

    @cached_property
    def lower_case_tokenizer(self) -> Tokenizer:
        """The cached tokenizer that lower-cases text."""
        return self.tokenizer()

    def tokenizer(self, lower_case: bool = True) -> Tokenizer:
        """Return a WordPiece tokenizer as in BERT and ERNIE. It adds no special tokens."""
        tokenizer = Tokenizer(WordPiece(self.ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
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
