"""Chinese words, phrases and names: the documented rules, and real text against a slow recount with jieba."""

import re
from itertools import pairwise, takewhile

import jieba
import numpy as np
import pytest
from real_text_support import RealText

from data_builders.annotation.chinese import (
    FUNCTION,
    MODIFIER,
    NAME,
    NOUN,
    NUMERAL,
    ORGANISATION,
    OTHER,
    PERSON,
    PLACE,
    PRONOUN,
    UNKNOWN,
    ChineseWords,
    code_of,
    spans_of,
)
from data_builders.annotation.chinese_lexicon import COMMON_WORDS, ORGANISATIONS, PERSONS, PLACES
from data_builders.annotation.lexicon import TAGS, LexiconEntry
from data_builders.annotation.sentences import sentences
from ernie_paddle.data.spans import NAMED_ENTITY, PHRASE, WORD

WORDS = ChineseWords()


def words_of(text: str, finder: ChineseWords = WORDS) -> list[str]:
    bounds = [*finder(text).starts.tolist(), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def names_in(text: str, finder: ChineseWords = WORDS) -> dict[str, int]:
    found = zip(words_of(text, finder), finder(text).codes.tolist(), strict=True)
    return {word: code for word, code in found if PERSON <= code <= NAME}


@pytest.fixture(scope="module")
def slow_jieba() -> jieba.Tokenizer:
    """Return jieba with the words of the built-in lists."""
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    for word in " ".join((PERSONS, PLACES, ORGANISATIONS, COMMON_WORDS)).split():
        tokenizer.add_word(word, tokenizer.suggest_freq(word))
    return tokenizer


def slow_words(text: str, tokenizer: jieba.Tokenizer) -> list[str]:
    """Apply the documented rules to a list of words one after the other."""
    joined: list[str] = []
    before = ""
    for word in tokenizer.cut(text):
        runs = ("[0-9０-９.．·%％]+", "[Ａ-Ｚａ-ｚ]+", "[—…－]+")
        touches = any(re.fullmatch(run, word) and re.fullmatch(run, before) for run in runs)
        counts = re.fullmatch("[年月日时万亿百千多余]", word) and re.fullmatch(runs[0], before)
        if joined and (touches or counts):
            joined[-1] += word
        else:
            joined.append(word)
        before = word
    result: list[str] = []
    for word in joined:
        counted = re.fullmatch(
            "([一二三四五六七八九十百千万亿零〇两几数]+)([^一二三四五六七八九十百千万亿零〇两几数些切样点下])", word
        )
        result += list(counted.groups()) if counted and word not in COMMON_WORDS.split() else [word]
    return result


def test_words_of_real_text_are_those_of_jieba_with_the_documented_corrections(
    real_text: RealText, slow_jieba: jieba.Tokenizer
) -> None:
    agreed = expected_count = 0
    for document in list(real_text.sources["zh"].documents())[:60]:
        for sentence in (s for paragraph in document.paragraphs for s in sentences(paragraph, "zh")):
            expected = np.cumsum([0, *map(len, slow_words(sentence, slow_jieba))])[:-1].tolist()
            found = WORDS(sentence).starts.tolist()
            agreed += len(set(expected) & set(found))
            expected_count += len(set(expected) | set(found))
    # What is left: numerals that the tagger knows as other words (`三军`), and `这 个`, which needs its tag.
    assert expected_count > 15_000 and agreed / expected_count > 0.985, agreed / expected_count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("１９９８年１２月３１日", ["１９９８年", "１２月", "３１日"]),
        ("增长１２．５％，共３００万吨", ["增长", "１２．５％", "，", "共", "３００万", "吨"]),
        ("一个人和三张桌子", ["一", "个", "人", "和", "三", "张", "桌子"]),
        ("这个问题十分重要", ["这", "个", "问题", "十分", "重要"]),
        ("中国——ＷＴＯ成员", ["中国", "——", "ＷＴＯ", "成员"]),
        ("一些人", ["一些", "人"]),
        ("", []),
        ("\n北京\n", ["\n", "北京", "\n"]),
    ],
)
def test_digits_letters_and_classifiers(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_names_are_distinguished_from_common_words() -> None:
    assert names_in("江泽民在伊拉克会见联合国官员") == {"江泽民": PERSON, "伊拉克": PLACE, "联合国": ORGANISATION}
    assert names_in("克林顿和叶利钦") == {"克林顿": PERSON, "叶利钦": PERSON}
    assert names_in("精神文明令人祝贺，城市道德") == {}


def test_user_words_and_gazetteers_take_precedence() -> None:
    text = "启明星辰在云谷镇发布量子纠缠芯片"
    added = ChineseWords(
        (LexiconEntry("启明星辰", "nt"), LexiconEntry("云谷镇", "ns"), LexiconEntry("量子纠缠芯片", None))
    )
    assert names_in(text, added) == {"启明星辰": ORGANISATION, "云谷镇": PLACE}
    assert "量子纠缠芯片" in words_of(text, added) and "量子纠缠芯片" not in words_of(text)
    assert "启明星辰" not in names_in(text)


NAMES = (
    *(
        LexiconEntry(name, "nz")
        for name in ("Edu Trust认证", "iPhone 12", "htc vive pro", "AT&T", "C++", "12月", "沪", "９８")
    ),
    *(LexiconEntry(name, "nr") for name in ("哈利·波特", "哈利·波特与密室", "禰豆子", "J. K. 罗琳", "Ümit Öz")),
    LexiconEntry("糖类抗原19-9", None, 9999),
    LexiconEntry("一个", "nt"),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("拿到了Edu Trust认证，买iPhone 12手机和htc vive pro。", ["Edu Trust认证", "iPhone 12", "htc vive pro"]),
        ("看哈利·波特全集，哈利·波特与密室，J. K. 罗琳", ["哈利·波特", "哈利·波特与密室", "J. K. 罗琳"]),
        ("禰豆子住沪，一个", ["禰豆子", "沪", "一个"]),
        ("在AT&T写C++，12月5日", ["AT&T", "C++", "12月"]),
        ("９８年３万９８万吨", ["９８", "９８"]),
        ("xiPhone 12和iPhone 123和iPhone  12，Ümit Özil", []),
        ("见Ümit Öz。", ["Ümit Öz"]),
    ],
)
def test_names_of_a_gazetteer_are_found_with_any_characters(text: str, names: list[str]) -> None:
    given = ChineseWords(NAMES)
    assert [name for name in names_in(text, given) if name in {entry.word for entry in NAMES}] == list(
        dict.fromkeys(names)
    )
    assert [word for word in words_of(text, given) if word in {entry.word for entry in NAMES if entry.tag}] == names


def test_a_user_word_with_punctuation_is_one_word_and_not_a_name() -> None:
    assert "糖类抗原19-9" in words_of("糖类抗原19-9正常", ChineseWords(NAMES))


def test_every_name_of_a_gazetteer_is_found_alone_and_between_other_words(real_text: RealText) -> None:
    """Names made of pieces of real text with punctuation, blanks, digits and Latin letters between them."""
    pieces = [
        p[i : i + 3] for d in list(real_text.sources["zh"].documents())[:30] for p in d.paragraphs[:2] for i in (0, 7)
    ]
    signs = ("·", " ", "-", "12", " x ", "＆", "・", ".")
    made = dict.fromkeys(f"{a}{signs[i % 8]}{b}" for i, (a, b) in enumerate(pairwise(pieces)) if f"{a}{b}".isalpha())
    given = ChineseWords(tuple(LexiconEntry(name, "nz") for name in made))
    assert len(made) > 30
    for name in made:
        for text in (name, f"我们在{name}的时候", f"（{name}）"):
            found = words_of(text, given)
            longer = [other for other in made if name in other and other != name]
            assert name in found or any(other in text for other in longer), (text, found)
            assert names_in(text, given).get(name, NAME) == NAME


def spans(text: str) -> list[tuple[str, int]]:
    words = WORDS(text)
    continues, kinds = spans_of(words.codes)
    bounds = pairwise([*words.starts[~continues].tolist(), len(text)])
    return [(text[start:end], kind) for (start, end), kind in zip(bounds, kinds[~continues].tolist(), strict=True)]


def test_phrases_are_runs_of_up_to_three_nouns_and_adjectives() -> None:
    assert spans("重要成果的国民经济发展战略目标在北京") == [
        ("重要成果", PHRASE),
        ("的", WORD),
        ("国民经济发展战略目标", PHRASE),
        ("在", WORD),
        ("北京", NAMED_ENTITY),
    ]
    assert spans("重要的") == [("重要", WORD), ("的", WORD)], "an adjective alone is none"
    assert spans("") == []


def test_tags_of_jieba_s_dictionary_have_their_codes() -> None:
    """A tag has the code of its first letter, unless the first two letters have a code of their own."""
    tags = {
        FUNCTION: "c d dg e f o p u uj ud ug ul uv uz y yg",
        NOUN: "n vn an l ln j jn",
        MODIFIER: "a b",
        NUMERAL: "m mq mg",
        PRONOUN: "r rr rz rg",
        PERSON: "nr nrfg nrt",
        PLACE: "ns",
        ORGANISATION: "nt",
        NAME: "nz",
        OTHER: "v vd vg vi vq ad ag df en ng eng g h i in k q qe qg s t tg w z zg",
        UNKNOWN: "x",
    }
    found = {code: {tag for tag in TAGS if code_of(tag) == code} for code in tags}
    assert found == {code: set(listed.split()) for code, listed in tags.items()}


def test_phrases_of_any_words_are_those_of_the_slow_rule() -> None:
    """A phrase is two or three nouns and adjectives in a row, the last of them a noun; other words are no phrases."""
    codes = np.random.default_rng(0).choice([OTHER, NOUN, NOUN, MODIFIER, MODIFIER, PERSON, NAME, UNKNOWN], 3000)
    expected: list[tuple[bool, int]] = []
    place = 0
    while place < len(codes):
        piece = list(takewhile(lambda code: code in (NOUN, MODIFIER), codes[place : place + 3].tolist()))
        last = max((i for i, code in enumerate(piece) if code == NOUN), default=0)
        for i in range(max(len(piece), 1)):
            named = PERSON <= codes[place + i] <= NAME
            kind = PHRASE if i <= last and last else NAMED_ENTITY if named else WORD
            expected.append((0 < i <= last, kind))
        place += max(len(piece), 1)
    continues, kinds = spans_of(codes)
    assert list(zip(continues.tolist(), kinds.tolist(), strict=True)) == expected
    assert {kind for _, kind in expected} == {WORD, PHRASE, NAMED_ENTITY}


def test_many_lines_at_once_are_each_as_alone(real_text: RealText) -> None:
    lines = [p for document in list(real_text.sources["zh"].documents())[:20] for p in document.paragraphs]
    together = words_of("\n".join(lines))
    assert together == [word for line in lines for word in ["\n", *words_of(line)]][1:]
