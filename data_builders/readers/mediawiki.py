"""MediaWiki XML dumps: the articles, as paragraphs of plain text."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import mwparserfromhell
from mwparserfromhell import nodes
from mwparserfromhell.wikicode import Wikicode

from data_builders.documents import Record, plain_paragraphs
from data_builders.readers.files import UNPACKING_ERRORS, Damaged
from data_builders.readers.lines import BAD_BYTES, Legibility
from data_builders.readers.reader import NOT_AN_ARTICLE, Reader
from data_builders.readers.wiki_links import EnglishNames, kind_of_target
from data_builders.readers.wiki_variants import FALLBACKS, in_variant
from ernie_paddle.text.cleaning import REPLACEMENT

_LIST_ITEM, _REMOVED = "\x01", "\x02"  # markers; XML cannot contain these characters
_KEPT_TAGS = frozenset("abbr b big blockquote center cite div em font i p s small span strong sub sup u var".split())
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_SWITCH = re.compile(r"__([^\W\d_]+(?:_[^\W\d_]+)*)__")
_ENGLISH_SWITCHES = frozenset("notoc forcetoc toc noeditsection nogallery notitleconvert nocontentconvert".split())
_SEPARATORS = r"[\s,;:/，；：、。／\x02]+"  # left over where the text between them was removed
_EMPTIED = re.compile(
    " ?(?:"
    + "|".join(re.escape(a) + _SEPARATORS + re.escape(b) for a, b in ("（）", "()", "[]", "【】", "《》", "「」"))
    + ")"
)
_INSIDE_BRACKETS = re.compile(
    rf"(?P<opened>[（(\[【]){_SEPARATORS}|(?<!{_SEPARATORS[:-1]}){_SEPARATORS}(?P<closed>[）)\]】])"
)
_BLANK_BEFORE_PUNCTUATION = re.compile(r" (?:\x02 ?)+(?=[.,;:!?])")


class MediaWikiReader(Reader):
    """A reader of MediaWiki dumps: pages of the main namespace that are not redirects. Ids are page ids.

    Links in a record's text use the English names of namespaces.
    """

    name: ClassVar[str] = "mediawiki"
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)
    variants: ClassVar[tuple[str, ...]] = tuple(FALLBACKS)
    variant: str = "zh-hans"

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        import mwxml  # takes long to import
        from mwxml.element_iterator import ElementIterator
        from mwxml.errors import MalformedXML

        source = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n")
        legibility = Legibility()
        try:
            root = ElementIterator.from_file(source)
            if root.tag != "mediawiki":
                raise Damaged(f"not a MediaWiki dump: its first element is <{root.tag}>")
            dump = mwxml.Dump.from_element(root)
            namespaces = dump.site_info.namespaces or ()
            english = EnglishNames(((space.id, space.name) for space in namespaces), root.attr(_LANGUAGE, ""))
            for page in dump:
                text = next((revision.text for revision in page), None)
                if page.namespace != 0 or page.redirect or not text:
                    tally[NOT_AN_ARTICLE] += 1
                    continue
                replaced = text.count(REPLACEMENT)
                if replaced:
                    tally[BAD_BYTES] += 1
                legibility.add(len(text), replaced, len(text.encode()) - len(text) - 2 * replaced)
                yield Record(str(page.id), english(text), page.title)
        except (MalformedXML, SyntaxError, *UNPACKING_ERRORS) as error:
            reason = " ".join(str(error).split())
            raise Damaged(f"not a whole MediaWiki dump: {reason}") from None
        finally:
            source.detach()  # the caller closes the file
        legibility.check()

    def paragraphs(self, text: str) -> list[str]:
        lines = plain_paragraphs(_tidied(plain(self.parsed(text))))
        return [line for line in lines if not line.startswith(_LIST_ITEM)]

    def parsed(self, text: str) -> Wikicode:
        """Return the nodes of a record's text, in the reader's variant."""
        return mwparserfromhell.parse(in_variant(text, self.variant), skip_style_tags=False)


def plain(code: Wikicode) -> str:
    """Return the text of wikitext, without templates, tables, references, files and comments.

    A heading becomes a line break. List items, which are rarely running text, and removed elements leave a marker.
    """
    return "".join(_plain_node(node) for node in code.nodes)


def _plain_node(node: nodes.Node) -> str:
    if isinstance(node, nodes.Text):
        return str(node.value)
    if isinstance(node, nodes.Wikilink):
        return _plain_link(node)
    if isinstance(node, nodes.Tag):
        if node.wiki_markup in ("*", "#", ":", ";"):
            return _LIST_ITEM
        if str(node.tag).lower() == "br":
            return "\n"
        return plain(node.contents) if str(node.tag).lower() in _KEPT_TAGS and node.contents else _REMOVED
    if isinstance(node, nodes.ExternalLink):
        return plain(node.title) if node.title is not None else _REMOVED
    if isinstance(node, nodes.HTMLEntity):
        return str(node.normalize())
    return "\n" if isinstance(node, nodes.Heading) else _REMOVED


def _plain_link(link: nodes.Wikilink) -> str:
    """Return the visible text of a link: its text, or else its target if that is a page or follows a colon."""
    target = plain(link.title).strip()
    kind = "page" if target.startswith(":") else kind_of_target(target)
    if kind == "hidden" or (kind == "elsewhere" and link.text is None):
        return _REMOVED
    return plain(link.text) if link.text is not None else target.lstrip(":")


def _tidied(text: str) -> str:
    """Remove behaviour switches, brackets that removals have emptied, and separators next to removals in brackets."""
    text = _SWITCH.sub(lambda match: "" if _is_switch(match[1]) else match[0], text)
    if _REMOVED not in text:
        return text
    before = ""
    while before != text:
        before, text = text, _EMPTIED.sub(lambda match: _REMOVED if _REMOVED in match[0] else match[0], text)
    text = _BLANK_BEFORE_PUNCTUATION.sub("", _INSIDE_BRACKETS.sub(_bracket_alone, text))
    return text.replace(_REMOVED, "")


def _bracket_alone(match: re.Match[str]) -> str:
    return match["opened"] or match["closed"] if _REMOVED in match[0] else match[0]


def _is_switch(word: str) -> bool:
    """Return whether a word is a behaviour switch: without lower case (`NOTOC`, `无目录`), or a known English one."""
    return word == word.upper() or word.lower() in _ENGLISH_SWITCHES
