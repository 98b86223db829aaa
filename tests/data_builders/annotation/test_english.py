"""English phrases mined from text, and names from capitals and gazetteers."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from real_text_support import RealText

from data_builders.annotation.annotator import Annotator
from data_builders.annotation.english import EnglishSpans
from data_builders.annotation.function_words import ENGLISH_FUNCTION_WORDS
from data_builders.annotation.lexicon import LexiconEntry, read_dictionary, read_gazetteer
from data_builders.annotation.matching import SequenceMatcher
from data_builders.annotation.phrases import PhraseSettings, mine_phrases
from data_builders.annotation.settings import SpanSettings
from data_builders.documents import Document
from data_builders.readers.reader import RawCorpus
from data_builders.readers.text import TextReader
from ernie_paddle.data.spans import NAMED_ENTITY, PHRASE, WORD
from ernie_paddle.errors import UserError
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import Vocabulary

SENTENCE = "the machine learning group of New York State met machine learning fans"
VOCABULARY = toy_vocabulary([*dict.fromkeys(SENTENCE.lower().split()), "."])


def vocabulary_with(*tokens: str) -> Vocabulary:
    return Vocabulary(VOCABULARY.ids | {token: VOCABULARY.size + i for i, token in enumerate(tokens)})


def spans(text: str, finder: EnglishSpans, vocabulary: Vocabulary = VOCABULARY) -> list[tuple[str, int]]:
    annotator = Annotator(vocabulary, "en", english_spans=finder)
    document = annotator.annotate([Document("0", text.split("\n"), "en", "t", title="the New York")]).document(0, 0)
    bi_tags, kinds = document.columns.of("bi_tags").tolist(), document.columns.of("span_kinds").tolist()
    found: list[tuple[str, int]] = []
    for token, bi_tag, kind in zip(document.columns.of("input_ids").tolist(), bi_tags, kinds, strict=True):
        word = vocabulary.tokens[token]
        if bi_tag == 0:
            found.append((word, kind))
        else:
            assert kind == found[-1][1], "a span has one kind"
            found[-1] = (f"{found[-1][0]} {word}", kind)
    return found


def test_phrases_and_names_are_spans_of_their_kind() -> None:
    finder = EnglishSpans(phrases=(("machine", "learning"), ("new", "york")))
    assert spans(SENTENCE, finder) == [
        ("the", WORD),
        ("machine learning", PHRASE),
        ("group", WORD),
        ("of", WORD),
        ("new york state", NAMED_ENTITY),  # a run of capitals is kept whole
        ("met", WORD),
        ("machine learning", PHRASE),
        ("fans", WORD),
    ]


def test_names_of_a_gazetteer_are_case_sensitive() -> None:
    finder = EnglishSpans(names=(("machine", "learning", "group"), ("State",)))
    found = dict(spans(SENTENCE, finder))
    assert found["machine learning group"] == NAMED_ENTITY and found["machine"] == WORD
    lower = dict(spans(SENTENCE.lower(), finder))
    assert lower["state"] == WORD and lower["machine learning group"] == NAMED_ENTITY


def test_no_span_extends_over_punctuation_or_into_the_next_sentence() -> None:
    finder = EnglishSpans(phrases=(("machine", "learning"), ("group", "met")))
    assert "machine learning" not in dict(spans("the machine. Learning of the group . met", finder))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The New York met", ["new york"]),  # a common opener is no part of a name
        ("New York met The State", ["new york", "the state"]),  # unless it stands elsewhere
        ("York met the State", []),  # one capitalised word alone is none
        ("the New York State . New Machine", ["new york state", "new machine"]),
        ("New - York", []),
    ],
)
def test_names_are_runs_of_two_or_more_capitalised_words(text: str, names: list[str]) -> None:
    found = spans(text, EnglishSpans(), vocabulary_with("-"))
    assert [span for span, kind in found if kind == NAMED_ENTITY] == names
    assert all(" " not in span for span, kind in found if kind == WORD)


@pytest.mark.parametrize(
    ("names", "phrases", "text", "expected"),
    [
        # What a gazetteer names wins over a run of capitals within it, and leaves one that is longer whole.
        ([("group", "of", "New", "York")], [], "group of New York met", {"group of new york": NAMED_ENTITY}),
        ([("New", "York")], [], "New York State met", {"new york state": NAMED_ENTITY}),
        ([("York", "State")], [], "New York State met", {"new york state": NAMED_ENTITY}),
        ([("York", "met")], [], "New York met", {"new york": NAMED_ENTITY, "met": WORD}),
        # A phrase never takes a part of a name.
        ([], [("york", "met")], "New York met", {"new york": NAMED_ENTITY, "met": WORD}),
        ([("group",)], [("group", "met")], "the group met", {"group": NAMED_ENTITY, "met": WORD}),
        ([], [("met", "new")], "fans met New York", {"met": WORD, "new york": NAMED_ENTITY}),
        ([("fans", "of")], [("of", "the")], "fans of the group", {"fans of": NAMED_ENTITY, "the": WORD}),
    ],
)
def test_names_and_phrases_that_overlap(
    names: list[tuple[str, ...]], phrases: list[tuple[str, ...]], text: str, expected: dict[str, int]
) -> None:
    found = dict(spans(text, EnglishSpans(tuple(names), tuple(phrases))))
    assert found.items() >= expected.items(), found


def test_no_span_runs_over_the_end_of_a_line() -> None:
    """Names in capitals, names of a gazetteer and phrases end with their line, even without a full stop."""
    finder = EnglishSpans(names=(("group", "of"),), phrases=(("machine", "learning"),))
    text = "State fans met York\nNew York State\nLearning New machine\nlearning the group\nof New York"
    found = [span for span, _ in spans(text, finder)]
    within = [span for span, _ in spans("York met\nthe machine learning group\nof the group of New", finder)]
    assert within == ["york", "met", "the", "machine learning", "group", "of", "the", "group of", "new"]
    lines = [["state", "fans", "met", "york"], ["new york state"], ["learning new", "machine"]]
    assert found == [*(span for line in lines for span in line), "learning", "the", "group", "of", "new york"]
    joined = [span for span, _ in spans(text.replace("\n", " "), finder)]
    assert "york new york state learning new" in joined and "machine learning" in joined and "group of" in joined


def test_the_longest_sequence_wins_and_none_overlap() -> None:
    matcher = SequenceMatcher([("a", "b"), ("a", "b", "c"), ("c", "d"), ("b", "x"), ("e",)])
    assert matcher.find(["a", "b", "c", "d", "a", "b", "x", "e"]) == [(0, 3), (4, 6)]
    assert matcher.find([]) == []


def test_mined_phrases_are_pairs_that_occur_together_more_often_than_by_chance() -> None:
    apart = [["red", "house"], ["house", "tall"], ["tall", "red"], ["the", "house"], ["red", "tall", "house"]] * 20
    together = [["solar", "wind", "blows"], ["bank", "of", "england"], ["like", "each", "other"]] * 10
    mined = mine_phrases(apart + together, PhraseSettings(least_count=5, least_score=0.6))
    assert ("solar", "wind") in mined and ("bank", "of", "england") in mined
    assert not any({"each", "other"} & {words[0], words[-1]} for words in mined), (
        "function words are no ends of phrases"
    )
    assert ("red", "house") not in mined and mined == tuple(sorted(mined))
    assert not mine_phrases(apart + together, PhraseSettings(least_count=11, least_score=0.6))


def test_phrases_of_real_text_occur_at_least_least_count_times(real_text: RealText) -> None:
    mined = (real_text.shards / "annotated" / "en" / "phrases.txt").read_text().splitlines()
    text = " ".join(" ".join(document.paragraphs) for document in real_text.sources["en"].documents()).lower()
    assert len(mined) > 5 and mined == sorted(mined, key=str.split)
    for phrase in mined:
        assert text.count(phrase) >= PhraseSettings().least_count
        assert not {phrase.split()[0], phrase.split()[-1]} & ENGLISH_FUNCTION_WORDS


def test_phrases_can_be_switched_off_and_gazetteers_named(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("the machine\tplace\n")
    (tmp_path / "text.txt").write_text("\n\n".join([SENTENCE] * 30))
    source = RawCorpus("text", tmp_path / "text.txt", TextReader(), "en")
    default = SpanSettings().annotator(source, VOCABULARY)
    assert ("machine", "learning") in default.english_spans.phrases
    settings = SpanSettings.model_validate({"en": {"phrases": None, "gazetteers": [tmp_path / "names.txt"]}})
    chosen = settings.annotator(source, VOCABULARY).english_spans
    assert chosen == EnglishSpans(names=(("the", "machine"),))
    assert settings.origin(source) != SpanSettings().origin(source)


# ---- word lists ----


def test_word_lists_are_read_in_the_formats_of_jieba_and_of_gazetteers(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(
        "\ufeff云计算 5 n\n量子\n李小福 nr\n\n创新办 3\nEdu Trust认证 2000\nhtc  vive 9 nz\niPhone 12 Pro 7\na\u2028b\n"
    )
    assert read_dictionary(tmp_path / "words.txt") == [
        LexiconEntry("云计算", "n", 5),
        LexiconEntry("量子", None, None),
        LexiconEntry("李小福", "nr", None),
        LexiconEntry("创新办", None, 3),
        LexiconEntry("Edu Trust认证", None, 2000),
        LexiconEntry("htc vive", "nz", 9),
        LexiconEntry("iPhone 12 Pro", None, 7),
        LexiconEntry("a b", None, None),
    ]
    (tmp_path / "names.txt").write_text("上海\tplace\n New  York \n启明\torganisation\n")
    assert read_gazetteer(tmp_path / "names.txt") == [
        LexiconEntry("上海", "ns"),
        LexiconEntry("New York", "nz"),
        LexiconEntry("启明", "nt"),
    ]


def test_mistakes_in_word_lists_are_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("好\n云计算 5 n 太多\n")
    with pytest.raises(UserError, match=r"list\.txt line 2: expected 'word"):
        read_dictionary(path)
    for line, words in (
        ("iPhone 12 Pro", "a word that contains a number needs a frequency"),
        ("htc vive", "'vive' is not a tag of jieba; if it is part of the word, write a frequency"),
        ("腾讯 9 ORG", "expected 'word"),
        ("好 9 xyz", "'xyz' is not a tag of jieba"),
    ):
        path.write_text(f"好\n{line}\n")
        with pytest.raises(UserError, match=rf"list\.txt line 2: .*{words}"):
            read_dictionary(path)
    for line in ("·", "\tperson", " — \tname"):
        path.write_text(f"{line}\n")
        with pytest.raises(UserError, match=r"list\.txt line 1: a name needs a letter or digit"):
            read_gazetteer(path)
    path.write_text("上海\tplace\n上海\tplace\n")
    assert SpanSettings.model_validate({"zh": {"gazetteers": [path, path]}}).zh.entries() == (
        LexiconEntry("上海", "ns"),
    )
    (tmp_path / "other.txt").write_text("上海\n")
    twice = SpanSettings.model_validate({"zh": {"gazetteers": [path, tmp_path / "other.txt"]}})
    with pytest.raises(UserError, match=r"other\.txt: '上海' is listed with two kinds"):
        twice.zh.entries()
    twice.check({"zh"})
    with pytest.raises(UserError, match=r"spans\.zh: .*list\.txt has no effect, because no corpus is in 'zh'"):
        twice.check({"en"})
    path.write_text("上海\tplaces\n")
    with pytest.raises(UserError, match=r"list\.txt line 1: unknown kind of name 'places'; did you mean 'place'"):
        read_gazetteer(path)
    with pytest.raises(UserError, match=r"none\.txt: word list not found"):
        read_gazetteer(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "setting", [{"least_count": 0}, {"least_score": -1}, {"least_score": 1}, {"read_megabytes": 0}], ids=str
)
def test_settings_of_phrases_have_limits(setting: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PhraseSettings.model_validate(setting)
