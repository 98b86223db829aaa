"""MediaWiki XML dumps: articles only, as paragraphs of plain text."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import mwparserfromhell
import mwxml
from mwparserfromhell import nodes
from mwparserfromhell.wikicode import Wikicode
from mwxml.errors import MalformedXML

from data_builders.documents import Record, plain_paragraphs
from data_builders.readers.files import UNPACKING_ERRORS, Damaged
from data_builders.readers.reader import NOT_AN_ARTICLE, Reader

_LIST_ITEM = "\x01"
_KEPT_TAGS = frozenset("abbr b big blockquote center cite div em font i p s small span strong sub sup u var".split())


class MediaWikiReader(Reader):
    """Pages of the main namespace that are no redirects; an article is known by its page id."""

    name: ClassVar[str] = "mediawiki"
    suffixes: ClassVar[tuple[str, ...]] = (".xml",)

    def records(self, file: BinaryIO, tally: Counter[str]) -> Iterator[Record]:
        source = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
        try:
            for page in mwxml.Dump.from_file(source):
                text = next((revision.text for revision in page), None)
                if page.namespace != 0 or page.redirect or not text:
                    tally[NOT_AN_ARTICLE] += 1
                    continue
                yield Record(str(page.id), text, page.title)
        except (MalformedXML, SyntaxError, *UNPACKING_ERRORS) as error:
            reason = " ".join(str(error).split())
            raise Damaged(f"not a whole MediaWiki dump: {reason}") from None
        finally:
            source.detach()  # the file is not ours to close

    def paragraphs(self, text: str) -> list[str]:
        flat = plain(mwparserfromhell.parse(text, skip_style_tags=False))
        return [line for line in plain_paragraphs(flat) if not line.startswith(_LIST_ITEM)]


def plain(code: Wikicode) -> str:
    """Wikitext as text: templates, tables, references, files and comments out, a heading becomes a line break.

    Items of lists are marked at the start of their line, for they are seldom running text.
    """
    return "".join(_plain_node(node) for node in code.nodes)


def _plain_node(node: nodes.Node) -> str:
    if isinstance(node, nodes.Text):
        return str(node.value)
    if isinstance(node, nodes.Wikilink):
        target = str(node.title)
        if (":" in target.lstrip(":")[:20] and not target.startswith(":") and node.text is None) or _is_file(target):
            return ""
        return plain(node.text) if node.text is not None else target.lstrip(":")
    if isinstance(node, nodes.Tag):
        if node.wiki_markup in ("*", "#", ":", ";"):
            return _LIST_ITEM
        if str(node.tag).lower() == "br":
            return "\n"
        return plain(node.contents) if str(node.tag).lower() in _KEPT_TAGS and node.contents else ""
    if isinstance(node, nodes.ExternalLink):
        return plain(node.title) if node.title is not None else ""
    if isinstance(node, nodes.HTMLEntity):
        return str(node.normalize())
    return "\n" if isinstance(node, nodes.Heading) else ""


def _is_file(target: str) -> bool:
    return target.partition(":")[0].strip().lower() in ("file", "image", "media", "category")
