"""Variant markup `-{...}-` in Chinese wikitext: the text for readers of one variant of the language.

`-{zh-hans:甲;zh-hant:乙}-` has a text for each variant; `-{甲}-` is the same in all. Flags precede a bar, as in
`-{T|zh-hans:甲;zh-hant:乙}-`. A title (`T`) or a rule for the rest of the page (`H`, `-`) shows no text; a rule with
the flag `A` does. Text outside of the markup is not converted.
"""

import re

# The variants to try where a variant has no text: MediaWiki's `getVariantsFallbacks` of Chinese.
FALLBACKS = {
    "zh-hans": ("zh-cn", "zh-sg", "zh-my"),
    "zh-hant": ("zh-tw", "zh-hk", "zh-mo"),
    "zh-cn": ("zh-hans", "zh-sg", "zh-my"),
    "zh-sg": ("zh-my", "zh-hans", "zh-cn"),
    "zh-my": ("zh-sg", "zh-hans", "zh-cn"),
    "zh-tw": ("zh-hant", "zh-hk", "zh-mo"),
    "zh-hk": ("zh-mo", "zh-hant", "zh-tw"),
    "zh-mo": ("zh-hk", "zh-hant", "zh-tw"),
}
_CODES = "|".join(("zh", *FALLBACKS))
_BETWEEN = re.compile(rf";(?=\s*(?:[^;]*?=>)?\s*(?:{_CODES})\s*:)|;\s*$")
_RULE = re.compile(rf"(?:.*?=>)?\s*({_CODES})\s*:\s*(.*?)\s*", re.DOTALL)
_SHOWING, _SILENT = frozenset("AS"), frozenset("HTDN-")
_FLAGS = _SHOWING | _SILENT | {"R", "+", "", "zh", *FALLBACKS}
# `-{{x}}` is a dash before a template; `-{{{x}}}-` is a template in markup. The same holds for the end.
_MARK = re.compile(r"(-\{(?!\{)|-\{(?=\{\{[^{]))|(?<!\})\}-|(?<=\}\})\}-")


def in_variant(text: str, variant: str) -> str:
    """Return wikitext as shown in a variant, one of `FALLBACKS`; markup without an end is kept."""
    open_texts: list[list[str]] = [[]]
    done = 0
    for mark in _MARK.finditer(text):
        open_texts[-1].append(text[done : mark.start()])
        done = mark.end()
        if mark[1]:
            open_texts.append([])
        elif len(open_texts) > 1:
            inner = "".join(open_texts.pop())
            open_texts[-1].append(_shown(inner, variant))
        else:
            open_texts[-1].append(mark[0])
    open_texts[-1].append(text[done:])
    return "-{".join("".join(parts) for parts in open_texts)


def _shown(markup: str, variant: str) -> str:
    """Return the text that the inside of a markup shows in a variant."""
    before, bar, after = markup.partition("|")
    flags = {flag.strip() for flag in before.split(";")}
    if not bar or not flags <= _FLAGS:
        flags, after = set(), markup
    if flags & _SILENT and not flags & _SHOWING:
        return ""
    rules = [_RULE.fullmatch(part) for part in _BETWEEN.split(after) if part.strip()]
    if "R" in flags or not rules:
        return after
    texts = {}
    for rule in rules:
        if rule is None:
            return after
        texts[rule[1]] = rule[2]
    return next((texts[code] for code in (variant, *FALLBACKS[variant]) if code in texts), next(iter(texts.values())))
