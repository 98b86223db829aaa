"""Lone surrogates: halves of characters beyond U+FFFF, from programs that cut a text inside a surrogate pair.

No encoding can write them and no tokenizer accepts them.
"""

import json
import re
from typing import Any

REPLACEMENT = "\ufffd"  # a single character, so that offsets into a text stay valid; tokenizers skip it
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decode(raw: bytes, begins: bool) -> tuple[str, bool]:
    """Decode UTF-8; return the text and whether it had surrogates encoded like characters.

    These are combined in pairs, or replaced if unpaired. With `begins` a byte-order mark is removed.

    Raises:
        UnicodeDecodeError: not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig" if begins else "utf-8"), False
    except UnicodeDecodeError:
        units = raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
    text = units.decode("utf-16", "replace")
    return text.removeprefix("\ufeff") if begins else text, True


def load_json(text: str) -> tuple[Any, int]:
    """Parse JSON and replace lone surrogates; return the value and how many were replaced in its strings and keys.

    Raises:
        ValueError: not JSON.
        RecursionError: nested too deeply.
    """
    value = json.loads(text)
    return clean(value) if _ESCAPED_SURROGATE.search(text) else (value, 0)


def clean(value: Any) -> tuple[Any, int]:
    """Replace lone surrogates in the strings and keys of a plain value; return it and how many were replaced."""
    if isinstance(value, str):
        return _SURROGATE.subn(REPLACEMENT, value)
    if isinstance(value, list | tuple):
        items = [clean(item) for item in value]
        return [item for item, _ in items], sum(count for _, count in items)
    if isinstance(value, dict):
        pairs = [(clean(key), clean(item)) for key, item in value.items()]
        return {key: item for (key, _), (item, _) in pairs}, sum(a + b for (_, a), (_, b) in pairs)
    return value, 0
