"""The section `spans` of a corpora config."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.chinese import ChineseWords
from data_builders.annotation.english import EnglishSpans
from data_builders.annotation.lexicon import LexiconEntry, read_dictionary, read_gazetteer
from data_builders.annotation.phrases import PhraseSettings, mine_phrases
from data_builders.readers.reader import RawCorpus
from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary

MEGABYTE = 1_000_000  # characters


class ChineseSettings(Settings):
    """User dictionaries and gazetteers of Chinese."""

    dictionaries: list[Path] = Field(default_factory=list)
    """Dictionaries in jieba's format: word, then frequency and tag if wanted."""
    gazetteers: list[Path] = Field(default_factory=list)
    """Names, one in each line, with their kind after a TAB if wanted."""

    def entries(self) -> tuple[LexiconEntry, ...]:
        """Read all words and names of the files.

        Raises:
            UserError: a file cannot be read, a line is malformed, or a name has two kinds.
        """
        words = [entry for path in self.dictionaries for entry in read_dictionary(path)]
        names: dict[str, LexiconEntry] = {}
        for path in self.gazetteers:
            for entry in read_gazetteer(path):
                if names.setdefault(entry.word, entry) != entry:
                    raise UserError(
                        f"{path}: '{entry.word}' is listed with two kinds, here or in another list; keep one"
                    )
        return (*words, *names.values())


class EnglishSettings(Settings):
    """Gazetteers and phrases of English."""

    gazetteers: list[Path] = Field(default_factory=list)
    """Names, as for Chinese."""
    phrases: PhraseSettings | None = Field(default_factory=PhraseSettings)
    """How phrases are mined from each corpus; `null`: none are."""

    def names(self) -> list[str]:
        """Read all names of the gazetteers."""
        return [entry.word for path in self.gazetteers for entry in read_gazetteer(path)]


class SpanSettings(Settings):
    """Sources of words and names besides the built-in ones, by language."""

    zh: ChineseSettings = Field(default_factory=ChineseSettings)
    """Chinese words and names."""
    en: EnglishSettings = Field(default_factory=EnglishSettings)
    """English names and phrases."""

    def check(self, languages: Collection[str]) -> None:
        """Raise a `UserError` if there are lists for a language that no corpus is in."""
        for language, lists in (("zh", self.zh.dictionaries + self.zh.gazetteers), ("en", self.en.gazetteers)):
            if lists and language not in languages:
                raise UserError(f"spans.{language}: {lists[0]} has no effect, because no corpus is in '{language}'")

    def origin(self, corpus: RawCorpus) -> dict[str, Any]:
        """Return everything that the spans of a corpus depend on besides the corpus."""
        if corpus.language == "zh":
            return {"entries": [[entry.word, entry.tag, entry.frequency] for entry in self.zh.entries()]}
        return {"names": self.en.names(), "phrases": self.en.phrases and self.en.phrases.model_dump()}

    def annotator(self, corpus: RawCorpus, vocabulary: Vocabulary) -> Annotator:
        """Return the annotator of a corpus; English phrases are mined from the corpus.

        Raises:
            UserError: a file of words or names cannot be read.
        """
        if corpus.language == "zh":
            return Annotator(vocabulary, "zh", chinese_words=ChineseWords(self.zh.entries()))
        plain = Annotator(vocabulary, "en")
        names = tuple(plain.words(name) for name in self.en.names())
        phrases = _mined_phrases(corpus, plain, self.en.phrases) if self.en.phrases else ()
        return Annotator(vocabulary, "en", english_spans=EnglishSpans(names, phrases))


def _mined_phrases(corpus: RawCorpus, annotator: Annotator, settings: PhraseSettings) -> tuple[tuple[str, ...], ...]:
    def sentences() -> Iterator[list[str]]:
        characters = 0
        for document in corpus.documents():
            yield from annotator.english_sentences(document)
            characters += sum(map(len, document.paragraphs))
            if characters > settings.read_megabytes * MEGABYTE:
                return

    return mine_phrases(sentences(), settings)
