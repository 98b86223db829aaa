"""Chinese words, phrases and named entities: jieba's dictionary and tags, corrected and completed by rules.

- Words are jieba's. Figures, Latin letters and dashes are one word where they touch; a year, month, day or order of
  magnitude belongs to its figure (`１９９８年`); a numeral and its classifier are two words (`一 个`).
- Named entities are jieba's persons, places, organisations and other names. A person's name must open with a surname or
  be written with the characters of foreign names, and not be a frequent two-character word; a word that jieba's
  dictionary does not know is a person if it opens with a surname. `chinese_lexicon.py` corrects the dictionary.
- Phrases are runs of two or three nouns, with adjectives before them.
"""

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_builders.annotation.characters import CharacterTable, code_points, letters_and_digits, set_table
from data_builders.annotation.chinese_lexicon import (
    COMMON_WORDS,
    COMPOUND_SURNAMES,
    ORGANISATIONS,
    PERSONS,
    PLACES,
    SURNAMES,
    TRANSLITERATION,
)
from data_builders.annotation.document import ORDINARY_WORD, PUNCTUATION, STOP_WORD
from data_builders.annotation.lexicon import Entry
from data_builders.annotation.matching import TextMatcher
from ernie_paddle.data.samples import NAMED_ENTITY, PHRASE, WORD
from ernie_paddle.files import read_text

if TYPE_CHECKING:
    import rjieba

OTHER, FUNCTION, NOUN, MODIFIER, NUMERAL, PRONOUN, PERSON, PLACE, ORGANISATION, NAME, UNKNOWN = range(11)
MOST_REMEMBERED = 300_000  # words; then all are forgotten, so that memory is bounded
FREQUENT = 100  # a two-character word of jieba's more frequent than this is seldom a person
LONGEST_PHRASE = 3  # words

_PERSON_OF_TWO = re.compile(r"^(\S\S) (\d+) nr", re.MULTILINE)
_FIGURES = frozenset("0123456789０１２３４５６７８９.．·%％")
_LATIN = frozenset(
    "ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ"
)
_NUMERALS = frozenset("一二三四五六七八九十百千万亿零〇两几数")
_DASHES = frozenset("—…－")
_AFTER_FIGURES = frozenset("年月日时万亿百千多余")
_DETERMINERS = frozenset("这那每某各该")
_CLASSIFIERS = frozenset("个种些次年天位件项条")
_NOT_COUNTED = frozenset("些切样点下")  # 一些, 一切, ... are one word
_SETS = (
    _FIGURES,
    _LATIN,
    _NUMERALS,
    _DASHES,
    _AFTER_FIGURES,
    _DETERMINERS,
    _CLASSIFIERS,
    _NOT_COUNTED,
    SURNAMES,
    TRANSLITERATION | frozenset("·"),
)
FIGURE, LATIN, NUMERIC, DASH, AFTER_FIGURE, DETERMINER, CLASSIFIER, NOT_COUNTED, SURNAME, TRANSLITERATED = (
    1 << bit for bit in range(len(_SETS))
)

# By the first two letters of jieba's tags, else by the first.
_TAGS = {
    **dict.fromkeys(("c", "d", "e", "f", "o", "p", "u", "y"), FUNCTION),
    **dict.fromkeys(("n", "vn", "an", "l", "j"), NOUN),
    **dict.fromkeys(("a", "b"), MODIFIER),
    **dict.fromkeys(("ad", "ag", "df", "en", "ng"), OTHER),
    "m": NUMERAL,
    "r": PRONOUN,
    "nr": PERSON,
    "ns": PLACE,
    "nt": ORGANISATION,
    "nz": NAME,
    "x": UNKNOWN,
}


@dataclass(frozen=True)
class Words:
    """The words that cover a text [words]: where they start (characters), their code, such as `PERSON`, their class."""

    starts: np.ndarray
    codes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class ChineseWords:
    """Finds words; `entries` are added to jieba's dictionary and decide what their words are.

    No rule cuts, joins or renames a word of the entries. Those that jieba cannot find, since it cuts at their blanks
    and points or knows more frequent words, are looked for before it sees the text.
    `met` collects the entries that were found.
    """

    entries: tuple[Entry, ...] = ()
    met: set[str] = field(default_factory=set, compare=False)

    @property
    def given(self) -> frozenset[str]:
        """The words of the entries."""
        return self._given

    def __call__(self, text: str) -> Words:
        """The words of a text, in which a line break is a word by itself."""
        if not text:
            return Words(np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int8))
        words = self._cut(text)
        known = self._known
        if len(known) > MOST_REMEMBERED:
            known.clear()
        for word in set(words).difference(known):
            known[word] = self._code(word)
        self.met.update(self._given.intersection(words))
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        codes = np.fromiter(map(known.__getitem__, words), np.int8, len(words))
        given, decided = (
            np.fromiter((word in chosen for word in words), bool, len(words)) if chosen else np.zeros(len(words), bool)
            for chosen in (self._given, self._tagged)
        )
        return _refined(text, np.cumsum(lengths) - lengths, lengths, codes, given, decided)

    def _cut(self, text: str) -> list[str]:
        """jieba's words, with the entries that it cannot find."""
        words: list[str] = []
        place = 0
        for start, end in self._beyond_jieba.find(text):
            words += [*self._jieba.cut(text[place:start]), text[start:end]]
            place = end
        return words + self._jieba.cut(text[place:])

    def _code(self, word: str) -> int:
        """What a word is: an added one by its own tag, any other by jieba's."""
        if word in self._decided:
            return self._decided[word]
        tagged = self._jieba.tag(word)
        code = code_of(tagged[0][1]) if len(tagged) == 1 else UNKNOWN
        return OTHER if code == PERSON and word in _frequent_words() else code

    @cached_property
    def _known(self) -> dict[str, int]:
        """Codes of the words met so far."""
        return {}

    @cached_property
    def _jieba(self) -> "rjieba.Jieba":
        import rjieba  # takes long to import

        segmenter = rjieba.Jieba()
        for entry in (*_built_in(), *self.entries):
            frequency = entry.frequency or segmenter.suggest_freq(entry.word)
            segmenter.add_word(entry.word, frequency, entry.tag or "n")
        return segmenter

    @cached_property
    def _beyond_jieba(self) -> TextMatcher:
        return TextMatcher(entry.word for entry in self.entries if self._jieba.cut(entry.word) != [entry.word])

    @cached_property
    def _given(self) -> frozenset[str]:
        return frozenset(entry.word for entry in self.entries)

    @cached_property
    def _tagged(self) -> frozenset[str]:
        return frozenset(entry.word for entry in self.entries if entry.tag)

    @cached_property
    def _decided(self) -> dict[str, int]:
        return {entry.word: code_of(entry.tag) for entry in (*_built_in(), *self.entries) if entry.tag}


def spans_of(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which words continue the span of the word before them, and the kind of each word's span [words]."""
    nominal = (codes == NOUN) | (codes == MODIFIER)
    places = np.arange(len(codes))
    before = np.concatenate([[False], nominal[:-1]])
    run = np.maximum.accumulate(np.where(nominal & ~before, places, 0))
    inside = nominal & ((places - run) % LONGEST_PHRASE > 0)
    ends_later = np.zeros(len(codes), bool)  # a noun follows in the same phrase
    for _ in range(LONGEST_PHRASE - 2):
        ends_later[:-1] = inside[1:] & ((codes[1:] == NOUN) | ends_later[1:])
    continues = inside & ((codes == NOUN) | ends_later)
    kinds = np.where((codes >= PERSON) & (codes <= NAME), NAMED_ENTITY, WORD).astype(np.int8)
    kinds[continues | np.concatenate([continues[1:], np.zeros(min(1, len(codes)), bool)])] = PHRASE
    return continues, kinds


def code_of(tag: str) -> int:
    """The code of one of jieba's tags."""
    return _TAGS.get(tag[:2], _TAGS.get(tag[:1], OTHER))


def _refined(
    text: str, starts: np.ndarray, lengths: np.ndarray, codes: np.ndarray, given: np.ndarray, decided: np.ndarray
) -> Words:
    """Join and split words, and decide on the names, by the rules above.

    `given` words [words] stay as they are, of the `decided` ones also the codes.
    """
    points = code_points(text)
    sets = _character_sets()(points)
    everywhere = np.bitwise_and.reduceat(sets, starts)
    first, last, ends = sets[starts], sets[starts + lengths - 1], starts + lengths
    after = {bit: np.concatenate([[False], (everywhere[:-1] & bit) > 0]) for bit in (FIGURE, LATIN, DASH)}
    joined = (lengths == 1) & (first & AFTER_FIGURE > 0) & after[FIGURE]
    for bit, before in after.items():
        joined |= (everywhere & bit > 0) & before
    others = np.concatenate([[0], np.cumsum(sets & NUMERIC == 0)])
    counted = (codes == NUMERAL) & (lengths > 1) & (others[ends - 1] == others[starts])
    counted &= last & (NUMERIC | NOT_COUNTED) == 0
    pointed = (codes == PRONOUN) & (lengths == 2) & (first & DETERMINER > 0) & (last & CLASSIFIER > 0)
    # Of 300 and 万吨 (300, ten thousand tons) the order of magnitude goes to the figure.
    parted = (lengths == 2) & (first & AFTER_FIGURE > 0) & (first & NUMERIC > 0) & after[FIGURE]
    beside_given = given | np.concatenate([[False], given[:-1]])  # given, or after one
    joined &= ~beside_given
    parted &= ~beside_given
    tails = ends[((counted | pointed) & ~given) | parted] - 1

    of_character = np.repeat(np.where((everywhere & FIGURE > 0) & ~decided, NUMERAL, codes), lengths)
    settled = np.repeat(decided & (codes <= NAME), lengths)
    of_character[tails] = OTHER
    begins = np.zeros(len(points), bool)
    begins[starts[~joined & ~parted]] = True
    begins[tails] = True
    starts = np.flatnonzero(begins)
    codes = np.where(settled[starts], of_character[starts], _names(text, starts, of_character[starts], sets))
    signs = np.maximum.reduceat(letters_and_digits()(points), starts) == 0
    stop = (codes == FUNCTION) | (codes == PRONOUN)
    classes = np.where(signs, PUNCTUATION, np.where(stop, STOP_WORD, ORDINARY_WORD))
    return Words(starts, codes.astype(np.int8), classes.astype(np.int8))


def _names(text: str, starts: np.ndarray, codes: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Codes with the names that are none taken out, and unknown words that look like persons put in."""
    lengths = np.diff(np.append(starts, len(sets)))
    short = (sets[starts] & SURNAME > 0) & (lengths >= 2) & (lengths <= 3)
    foreign = (np.bitwise_and.reduceat(sets, starts) & TRANSLITERATED > 0) & (lengths > 2)
    person = (codes == PERSON) & (short | foreign)
    for word in np.flatnonzero((codes == PERSON) & ~person & (lengths > 2) & (lengths < 5)).tolist():
        person[word] = text.startswith(COMPOUND_SURNAMES, int(starts[word]))
    person |= (codes == UNKNOWN) & short
    named = (codes > PERSON) & (codes <= NAME) & (lengths > 1)
    return np.where(person, PERSON, np.where(named | (codes < PERSON), codes, OTHER))


def _built_in() -> list[Entry]:
    lists = {"nr": PERSONS, "ns": PLACES, "nt": ORGANISATIONS, "v": COMMON_WORDS}
    return [Entry(word, tag) for tag, words in lists.items() for word in words.split()]


@cache
def _character_sets() -> CharacterTable:
    return set_table(*_SETS)


@cache
def _frequent_words() -> frozenset[str]:
    """Two-character words that jieba's dictionary tags as persons and that are too frequent for it."""
    import jieba  # takes long to import

    found = _PERSON_OF_TWO.findall(read_text(Path(jieba.__file__).with_name("dict.txt"), "jieba's dictionary"))
    return frozenset(word for word, count in found if int(count) > FREQUENT)
