"""Text in other encodings than UTF-8: what it probably is, and codecs by name."""

import codecs

SAMPLE = 1 << 16  # bytes that are looked at
ZEROS = 0.002  # share of NUL among the bytes of a UTF-16 text, at least: its blanks and line ends have one each
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CANDIDATES = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r"]


def guessed_encoding(raw: bytes) -> str | None:
    """The codec that the beginning of a text that is not UTF-8 points to: by its byte-order mark or its bytes.

    GBK and GB2312 are parts of `gb18030`, Latin-1 is one of `cp1252`.
    """
    if len(raw) > SAMPLE:
        raw = raw[: raw.rfind(b"\n", 0, SAMPLE) + 1 or SAMPLE]  # where no character is cut
    for mark, name in MARKS.items():
        if raw.startswith(mark):
            return name
    zeros = [raw[first::2].count(0) for first in (0, 1)]
    if sum(zeros) > ZEROS * len(raw):
        return "utf-16-le" if zeros[1] >= zeros[0] else "utf-16-be"
    from charset_normalizer import from_bytes  # takes long to import

    found = from_bytes(raw, cp_isolation=CANDIDATES).best()
    return found.encoding if found else None


def not_utf8(raw: bytes) -> str:
    """Say of a text that it is not UTF-8, and what it probably is; `raw` begins with the text's first byte."""
    guess = guessed_encoding(raw)
    return f"not UTF-8 but, by its bytes, {guess}" if guess else "not UTF-8"


def text_codec(name: str) -> str:
    """The canonical name of a codec of texts.

    Raises:
        ValueError: Python has none of this name.
    """
    try:
        info = codecs.lookup(name)
    except LookupError:
        info = None
    if info is None or not info._is_text_encoding:
        raise ValueError(f"unknown encoding '{name}'; give one that Python knows, as gb18030, big5, utf-16 or cp1252")
    return info.name
