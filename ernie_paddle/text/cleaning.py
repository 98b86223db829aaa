"""Lone surrogates: halves of characters beyond U+FFFF, left in JSON by programs that cut texts at a number of units.

No encoding can write them and no tokenizer takes them.
"""

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"  # one character for one, so that offsets into a text hold; tokenizers pass over it
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(text: str) -> tuple[Any, int]:
    """The value of a JSON text without lone surrogates, and how many were replaced in its texts and keys.

    Raises:
        ValueError: not JSON.
        RecursionError: nested too deeply.
    """
    value = json.loads(text)
    return _mended(value) if _ESCAPED_HALF.search(text) else (value, 0)


def mend_text(text: str) -> tuple[str, int]:
    """A text with `REPLACEMENT` for every lone surrogate, and how many there were."""
    return _HALF.subn(REPLACEMENT, text)


def _mended(value: Any) -> tuple[Any, int]:
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, list):
        parts = [_mended(part) for part in value]
        return [part for part, _ in parts], sum(count for _, count in parts)
    if isinstance(value, dict):
        pairs = [(_mended(key), _mended(part)) for key, part in value.items()]
        return {key: part for (key, _), (part, _) in pairs}, sum(a + b for (_, a), (_, b) in pairs)
    return value, 0
