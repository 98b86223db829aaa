"""Chinese words, phrases and named entities: jieba's dictionary and tags, corrected and completed by rules.

- Words are jieba's, with three corrections. Adjacent digits, Latin letters or dashes are one word. A unit of time or
  an order of magnitude belongs to the number before it (`１９９８年`). A numeral and its classifier are two words
  (`一 个`).
- Named entities are jieba's persons, places, organisations and other names. A person's name must begin with a surname
  or consist of characters used to transcribe foreign names, and must not be a frequent two-character word. A word that
  is not in jieba's dictionary is a person if it begins with a surname. `chinese_lexicon.py` corrects the dictionary.
- Phrases are runs of two or three nouns and adjectives that end in a noun.
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
from data_builders.annotation.lexicon import LexiconEntry
from data_builders.annotation.matching import TextMatcher
from ernie_paddle.data.spans import NAMED_ENTITY, PHRASE, WORD
from ernie_paddle.files import read_text

if TYPE_CHECKING:
    import rjieba

OTHER, FUNCTION, NOUN, MODIFIER, NUMERAL, PRONOUN, PERSON, PLACE, ORGANISATION, NAME, UNKNOWN = range(11)
MAX_CACHED = 300_000  # words; a full cache is cleared, so that memory is bounded
MAX_PERSON_FREQUENCY = 100  # in jieba's dictionary; a more frequent two-character word is rarely a person
MAX_PHRASE_WORDS = 3  # words

_PERSON_OF_TWO = re.compile(r"^(\S\S) (\d+) nr", re.MULTILINE)
_DIGITS = frozenset("0123456789０１２３４５６７８９.．·%％")
_LATIN = frozenset(
    "ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ"
)
_NUMERALS = frozenset("一二三四五六七八九十百千万亿零〇两几数")
_DASHES = frozenset("—…－")
_AFTER_NUMBERS = frozenset("年月日时万亿百千多余")
_DETERMINERS = frozenset("这那每某各该")
_CLASSIFIERS = frozenset("个种些次年天位件项条")
_NOT_COUNTED = frozenset("些切样点下")  # 一些, 一切, ... are one word
_SETS = (
    _DIGITS,
    _LATIN,
    _NUMERALS,
    _DASHES,
    _AFTER_NUMBERS,
    _DETERMINERS,
    _CLASSIFIERS,
    _NOT_COUNTED,
    SURNAMES,
    TRANSLITERATION | frozenset("·"),
)
DIGIT, LATIN, NUMERAL_CHARACTER, DASH, AFTER_NUMBER, DETERMINER, CLASSIFIER, NOT_COUNTED, SURNAME, TRANSLITERATED = (
    1 << bit for bit in range(len(_SETS))
)

UNKNOWN_TAG = "x"
# Categories by the first two letters of jieba's tags, or by the first letter.
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
    UNKNOWN_TAG: UNKNOWN,
}


@dataclass(frozen=True)
class SegmentedWords:
    """The words that a text consists of, as arrays [words].

    Attributes:
        starts: the position of the first character.
        codes: the category, such as `PERSON`.
        classes: `ORDINARY_WORD`, `STOP_WORD` or `PUNCTUATION`.
    """

    starts: np.ndarray
    codes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class ChineseWords:
    """A finder of words in Chinese text.

    The user's entries are added to jieba's dictionary. The rules never split, join or recategorise them. Entries that
    jieba cannot find, because of blanks or punctuation in them or because parts of them are more frequent, are matched
    before jieba cuts the text.

    Attributes:
        entries: words and names listed by the user.
        entries_found: collects the entries that occur in the text.
    """

    entries: tuple[LexiconEntry, ...] = ()
    entries_found: set[str] = field(default_factory=set, compare=False)

    @property
    def user_entries(self) -> frozenset[str]:
        """The words of the entries."""
        return self._listed

    def __call__(self, text: str) -> SegmentedWords:
        """Return the words of a text; a line break is a separate word."""
        if not text:
            return SegmentedWords(np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int8))
        words = self._cut(text)
        known = self._known_codes
        if len(known) > MAX_CACHED:
            known.clear()
        for word in set(words).difference(known):
            known[word] = self._code(word)
        self.entries_found.update(self._listed.intersection(words))
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        codes = np.fromiter(map(known.__getitem__, words), np.int8, len(words))
        listed, tagged = (
            np.fromiter((word in chosen for word in words), bool, len(words)) if chosen else np.zeros(len(words), bool)
            for chosen in (self._listed, self._tagged)
        )
        return _refined(text, np.cumsum(lengths) - lengths, lengths, codes, listed, tagged)

    def tags(self, words: list[str], codes: np.ndarray) -> list[str]:
        """Return a tag of jieba for each word, given its category [words]; `x` for a word without one.

        The tags agree with the categories: numbers are `m`, and words that jieba takes for names but the rules do not
        are `x`.
        """
        known = self._known_tags
        if len(known) > MAX_CACHED:
            known.clear()
        for word in set(words).difference(known):
            known[word] = UNKNOWN_TAG if word in _common_words() else self._tag(word)
        return [_agreeing(known[word], code) for word, code in zip(words, codes.tolist(), strict=True)]

    def _cut(self, text: str) -> list[str]:
        """Cut a text with jieba, except for the entries that jieba cannot find."""
        words: list[str] = []
        done = 0
        for start, end in self._missed_by_jieba.find(text):
            words += [*self._jieba.cut(text[done:start]), text[start:end]]
            done = end
        return words + self._jieba.cut(text[done:])

    def _code(self, word: str) -> int:
        """Return the category of a word, by the tag of its entry or else by jieba's tag."""
        code = code_of(self._tag(word))
        frequent = word not in self._tags_of_entries and code == PERSON and word in _frequent_words()
        return OTHER if frequent else code

    def _tag(self, word: str) -> str:
        """Return the tag of a word's entry, or else jieba's; `x` for a word that jieba cuts."""
        if word in self._tags_of_entries:
            return self._tags_of_entries[word]
        tagged = self._jieba.tag(word)
        return str(tagged[0][1]) if len(tagged) == 1 else UNKNOWN_TAG

    @cached_property
    def _known_codes(self) -> dict[str, int]:
        """A cache of the categories of words."""
        return {}

    @cached_property
    def _known_tags(self) -> dict[str, str]:
        """A cache of the tags of words."""
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
    def _missed_by_jieba(self) -> TextMatcher:
        return TextMatcher(entry.word for entry in self.entries if self._jieba.cut(entry.word) != [entry.word])

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(entry.word for entry in self.entries)

    @cached_property
    def _tagged(self) -> frozenset[str]:
        return frozenset(entry.word for entry in self.entries if entry.tag)

    @cached_property
    def _tags_of_entries(self) -> dict[str, str]:
        return {entry.word: entry.tag for entry in (*_built_in(), *self.entries) if entry.tag}


def spans_of(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which words continue the span of the previous word, and the kind of each word's span, both [words]."""
    nominal = (codes == NOUN) | (codes == MODIFIER)
    positions = np.arange(len(codes))
    before = np.concatenate([[False], nominal[:-1]])
    run = np.maximum.accumulate(np.where(nominal & ~before, positions, 0))
    inside = nominal & ((positions - run) % MAX_PHRASE_WORDS > 0)
    ends_later = np.zeros(len(codes), bool)  # a noun follows in the same phrase
    for _ in range(MAX_PHRASE_WORDS - 2):
        ends_later[:-1] = inside[1:] & ((codes[1:] == NOUN) | ends_later[1:])
    continues = inside & ((codes == NOUN) | ends_later)
    kinds = np.where((codes >= PERSON) & (codes <= NAME), NAMED_ENTITY, WORD).astype(np.int8)
    kinds[continues | np.concatenate([continues[1:], np.zeros(min(1, len(codes)), bool)])] = PHRASE
    return continues, kinds


def code_of(tag: str) -> int:
    """Return the category of one of jieba's tags."""
    return _TAGS.get(tag[:2], _TAGS.get(tag[:1], OTHER))


def _agreeing(tag: str, code: int) -> str:
    """Return a word's tag, corrected by its category."""
    if code == NUMERAL:
        return "m"
    if code == PERSON:
        return tag if code_of(tag) == PERSON else "nr"
    return UNKNOWN_TAG if code_of(tag) == PERSON else tag


def _refined(
    text: str, starts: np.ndarray, lengths: np.ndarray, codes: np.ndarray, listed: np.ndarray, tagged: np.ndarray
) -> SegmentedWords:
    """Join and split words and correct their categories by the rules of this module.

    Words of the user's entries, `listed` [words], are not joined or split. Those with a tag, `tagged` [words], keep
    their category.
    """
    points = code_points(text)
    sets = _character_sets()(points)
    everywhere = np.bitwise_and.reduceat(sets, starts)
    first, last, ends = sets[starts], sets[starts + lengths - 1], starts + lengths
    after = {bit: np.concatenate([[False], (everywhere[:-1] & bit) > 0]) for bit in (DIGIT, LATIN, DASH)}
    joined = (lengths == 1) & (first & AFTER_NUMBER > 0) & after[DIGIT]
    for bit, before in after.items():
        joined |= (everywhere & bit > 0) & before
    others = np.concatenate([[0], np.cumsum(sets & NUMERAL_CHARACTER == 0)])
    counted = (codes == NUMERAL) & (lengths > 1) & (others[ends - 1] == others[starts])
    counted &= last & (NUMERAL_CHARACTER | NOT_COUNTED) == 0
    pointed = (codes == PRONOUN) & (lengths == 2) & (first & DETERMINER > 0) & (last & CLASSIFIER > 0)
    # In 300 万吨 (300 ten-thousand tons) the order of magnitude 万 belongs to the number.
    split = (lengths == 2) & (first & AFTER_NUMBER > 0) & (first & NUMERAL_CHARACTER > 0) & after[DIGIT]
    fixed = listed | np.concatenate([[False], listed[:-1]])  # listed, or after a listed word
    joined &= ~fixed
    split &= ~fixed
    tails = ends[((counted | pointed) & ~listed) | split] - 1

    of_character = np.repeat(np.where((everywhere & DIGIT > 0) & ~tagged, NUMERAL, codes), lengths)
    keeps_code = np.repeat(tagged & (codes <= NAME), lengths)
    of_character[tails] = OTHER
    begins = np.zeros(len(points), bool)
    begins[starts[~joined & ~split]] = True
    begins[tails] = True
    starts = np.flatnonzero(begins)
    codes = np.where(keeps_code[starts], of_character[starts], _names(text, starts, of_character[starts], sets))
    signs = np.maximum.reduceat(letters_and_digits()(points), starts) == 0
    stop = (codes == FUNCTION) | (codes == PRONOUN)
    classes = np.where(signs, PUNCTUATION, np.where(stop, STOP_WORD, ORDINARY_WORD))
    return SegmentedWords(starts, codes.astype(np.int8), classes.astype(np.int8))


def _names(text: str, starts: np.ndarray, codes: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return the categories [words] without wrong names, and with unknown words that look like persons."""
    lengths = np.diff(np.append(starts, len(sets)))
    short = (sets[starts] & SURNAME > 0) & (lengths >= 2) & (lengths <= 3)
    foreign = (np.bitwise_and.reduceat(sets, starts) & TRANSLITERATED > 0) & (lengths > 2)
    person = (codes == PERSON) & (short | foreign)
    for word in np.flatnonzero((codes == PERSON) & ~person & (lengths > 2) & (lengths < 5)).tolist():
        person[word] = text.startswith(COMPOUND_SURNAMES, int(starts[word]))
    person |= (codes == UNKNOWN) & short
    named = (codes > PERSON) & (codes <= NAME) & (lengths > 1)
    return np.where(person, PERSON, np.where(named | (codes < PERSON), codes, OTHER))


def _built_in() -> list[LexiconEntry]:
    lists = {"nr": PERSONS, "ns": PLACES, "nt": ORGANISATIONS, "v": COMMON_WORDS}
    return [LexiconEntry(word, tag) for tag, words in lists.items() for word in words.split()]


@cache
def _common_words() -> frozenset[str]:
    """Return the words that jieba takes for names."""
    return frozenset(COMMON_WORDS.split())


@cache
def _character_sets() -> CharacterTable:
    return set_table(*_SETS)


@cache
def _frequent_words() -> frozenset[str]:
    """Return the two-character words that jieba's dictionary tags as persons although they are too frequent."""
    import jieba  # takes long to import

    found = _PERSON_OF_TWO.findall(read_text(Path(jieba.__file__).with_name("dict.txt"), "jieba's dictionary"))
    return frozenset(word for word, count in found if int(count) > MAX_PERSON_FREQUENCY)
