"""What a corpora file says about the spans of its corpora."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.english import EnglishSpans
from data_builders.annotation.lexicon import Entry, read_dictionary, read_gazetteer
from data_builders.annotation.phrases import PhraseSettings, mine_phrases
from data_builders.readers.reader import Source
from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

MEGABYTE = 1_000_000


class ChineseSettings(Settings):
    """User dictionaries in jieba's format, and gazetteers: names, one a line, with their kind after a TAB if wanted."""

    dictionaries: list[Path] = Field(default_factory=list)
    gazetteers: list[Path] = Field(default_factory=list)

    def entries(self) -> tuple[Entry, ...]:
        """All words and names of the files.

        Raises:
            UserError: a file cannot be read or a line is wrong, or a name stands there with two kinds.
        """
        words = [entry for path in self.dictionaries for entry in read_dictionary(path)]
        names: dict[str, Entry] = {}
        for path in self.gazetteers:
            for entry in read_gazetteer(path):
                if names.setdefault(entry.word, entry) != entry:
                    raise UserError(f"{path}: '{entry.word}' is there or in another list with another kind; keep one")
        return (*words, *names.values())


class EnglishSettings(Settings):
    """Gazetteers as for Chinese; `phrases` are mined from each corpus, or not if null."""

    gazetteers: list[Path] = Field(default_factory=list)
    phrases: PhraseSettings | None = Field(default_factory=PhraseSettings)

    def names(self) -> list[str]:
        """All names of the gazetteers."""
        return [entry.word for path in self.gazetteers for entry in read_gazetteer(path)]


class SpanSettings(Settings):
    """By language, where words and names beside the built-in ones come from."""

    zh: ChineseSettings = Field(default_factory=ChineseSettings)
    en: EnglishSettings = Field(default_factory=EnglishSettings)

    def check(self, languages: Collection[str]) -> None:
        """Raise a `UserError` if lists are given for a language that no corpus is in."""
        for language, lists in (("zh", self.zh.dictionaries + self.zh.gazetteers), ("en", self.en.gazetteers)):
            if lists and language not in languages:
                raise UserError(f"spans.{language}: {lists[0]} would have no effect, for no corpus is in '{language}'")

    def origin(self, source: Source) -> dict[str, Any]:
        """All that the spans of a corpus depend on besides the corpus."""
        if source.language == "zh":
            return {"entries": [[entry.word, entry.tag, entry.frequency] for entry in self.zh.entries()]}
        return {"names": self.en.names(), "phrases": self.en.phrases and self.en.phrases.model_dump()}

    def annotator(self, source: Source, vocabulary: Vocabulary) -> Annotator:
        """An annotator for a corpus; may read of it, for phrases.

        Raises:
            UserError: a file of words or names cannot be read.
        """
        if source.language == "zh":
            return Annotator(vocabulary, "zh", chinese_words=ChineseWords(self.zh.entries()))
        plain = Annotator(vocabulary, "en")
        split = tuple(plain.words(name) for name in self.en.names())
        phrases = _mined(source, plain, self.en.phrases) if self.en.phrases else ()
        return Annotator(vocabulary, "en", english_spans=EnglishSpans(split, phrases))


def _mined(source: Source, annotator: Annotator, settings: PhraseSettings) -> tuple[tuple[str, ...], ...]:
    def sentences() -> Iterator[list[str]]:
        read = 0
        for document in source.documents():
            yield from annotator.english_sentences(document)
            read += sum(map(len, document.paragraphs))
            if read > settings.read_megabytes * MEGABYTE:
                return

    return mine_phrases(sentences(), settings)
