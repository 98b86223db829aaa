"""Text encodings: a guess for text that is not UTF-8, and codecs by name."""

import codecs

SAMPLE_BYTES = 1 << 16
MIN_NUL_SHARE = 0.002  # of the bytes of a UTF-16 text: its blanks and line ends have one NUL each
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CANDIDATES = ["gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251", "koi8_r"]


def guess_encoding(raw: bytes) -> str | None:
    """Guess the codec of a text that is not UTF-8, by its byte-order mark or its first bytes; None if unknown.

    `gb18030` stands for GBK and GB2312 too, `cp1252` for Latin-1.
    """
    if len(raw) > SAMPLE_BYTES:
        raw = raw[: raw.rfind(b"\n", 0, SAMPLE_BYTES) + 1 or SAMPLE_BYTES]  # at a line end, to cut no character
    for mark, name in BYTE_ORDER_MARKS.items():
        if raw.startswith(mark):
            return name
    nuls = [raw[first::2].count(0) for first in (0, 1)]
    if sum(nuls) > MIN_NUL_SHARE * len(raw):
        return "utf-16-le" if nuls[1] >= nuls[0] else "utf-16-be"
    from charset_normalizer import from_bytes  # slow to import

    guess = from_bytes(raw, cp_isolation=CANDIDATES).best()
    return guess.encoding if guess else None


def not_utf8(raw: bytes) -> str:
    """Return the part of an error message that names the probable encoding; `raw` starts at the text's first byte."""
    guess = guess_encoding(raw)
    return f"not UTF-8 but, by its bytes, {guess}" if guess else "not UTF-8"


def text_codec(name: str) -> str:
    """Return the canonical name of a text codec.

    Raises:
        ValueError: Python has no text codec of this name.
    """
    try:
        info = codecs.lookup(name)
    except LookupError:
        info = None
    if info is None or not info._is_text_encoding:
        raise ValueError(f"unknown encoding '{name}'; use one of Python's, such as gb18030, big5, utf-16 or cp1252")
    return info.name
