"""Vocabularies in both formats of the release, and the ids of its tokenizer."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import released

from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary

WORDS = [*SPECIAL_TOKENS, "un", "##able", "able", "中", "国", "[unused1]"]


def test_both_formats_give_the_same_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    (tmp_path / "tabs.txt").write_text("".join(f"{w}\t{i}\n" for i, w in enumerate(WORDS)), encoding="utf-8")
    lines, tabs = Vocabulary.load(tmp_path / "lines.txt"), Vocabulary.load(tmp_path / "tabs.txt")
    assert lines.ids == tabs.ids and lines.digest == tabs.digest and lines.size == len(WORDS)


def test_unused_ids_survive_saving(tmp_path: Path) -> None:
    vocabulary = Vocabulary({word: 2 * i for i, word in enumerate(WORDS)})
    vocabulary.save(tmp_path / "vocab.txt")
    assert Vocabulary.load(tmp_path / "vocab.txt") == vocabulary and vocabulary.size == 2 * len(WORDS) - 1


PLACES = [*WORDS[:6], "", "", "a\u2028b", "\u2028", "\x85", "a b", " ", "able"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blank_lines_and_unusual_tokens_keep_the_ids_of_all(tmp_path: Path, end: str, mark: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text(mark + end.join([*PLACES, "", ""]), encoding="utf-8", newline="")
    vocabulary = Vocabulary.load(path)
    assert vocabulary.ids == {token: i for i, token in enumerate(PLACES) if token}
    assert vocabulary.size == len(PLACES)
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary


def test_ids_are_those_of_bert_s_tokenizer_where_lines_are_blank(tmp_path: Path) -> None:
    from paddlenlp.transformers import BertTokenizer

    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL_TOKENS, "", "un", "", "##able", "\u2028", "中", "", ""]), encoding="utf-8")
    theirs = BertTokenizer.load_vocabulary(str(path), unk_token="[UNK]").token_to_idx
    ours = Vocabulary.load(path).ids
    assert {token: theirs[token] for token in ours} == ours and len(ours) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[PAD]\t0\n[CLS]\tx\n", r"line 2: expected 'token<TAB>id'"),
        ("[PAD]\t0\n[CLS]\t0\n", r"line 2: .* twice"),
        ("[PAD]\n[PAD]\n", r"line 2: token '\[PAD\]' .* twice \(token '\[PAD\]' has id 0\)"),
        ("[PAD]\t0\n[CLS]\n", r"line 2: expected 'token<TAB>id', found '\[CLS\]'"),
        ("[PAD]\n[CLS]\t1\n", r"line 2: expected a token without a TAB"),
        ("[PAD]\t0\n[CLS]\t²\n", r"line 2: expected 'token<TAB>id'"),
        ("a\nb\n", r"not a vocabulary: \[PAD\], \[CLS\]"),
    ],
)
def test_files_that_are_no_vocabulary_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "vocab.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        Vocabulary.load(tmp_path / "vocab.txt")


def test_tokens_are_the_longest_pieces_of_lower_cased_words() -> None:
    vocabulary = Vocabulary({word: i for i, word in enumerate(WORDS)})
    encoding = vocabulary.tokenizer.encode("Unable ABLE 中国 xyz", add_special_tokens=False)
    assert encoding.tokens == ["un", "##able", "able", "中", "国", "[UNK]"]
    assert vocabulary.to_text(encoding.ids) == "unable able 中国 [UNK]"


def test_words_that_replace_masked_ones_are_no_special_tokens() -> None:
    vocabulary = Vocabulary({word: i for i, word in enumerate(WORDS)})
    assert [vocabulary.tokens[i] for i in vocabulary.ordinary_ids] == ["un", "##able", "able", "中", "国"]


@pytest.mark.parametrize(("name", "size"), [("vocab_zh.txt", 17964), ("vocab_en.txt", 30522)])
def test_the_released_vocabularies_are_read(name: str, size: int) -> None:
    vocabulary = Vocabulary.load(released(name))
    assert vocabulary.size == size
    assert vocabulary.pad_id == 0


def test_ids_are_those_of_the_tokenizer_of_paddlenlp(tmp_path: Path) -> None:
    """A Chinese and an English sentence with accents, signs and an unknown word, with the released files."""
    from paddlenlp.transformers import ErnieTokenizer

    for name, text in (
        ("vocab_zh.txt", "北京是中国的首都，2008年举办了Olympic奥运会！"),
        ("vocab_en.txt", "The café's naïve owner — Mr. O'Neill — didn't pay $3.50; unbelievable!"),
    ):
        vocabulary = Vocabulary.load(released(name))
        lines = (vocabulary.tokens.get(i, f"[hole{i}]") for i in range(vocabulary.size))
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        theirs = ErnieTokenizer(vocab_file=str(tmp_path / name), do_lower_case=True)
        ours = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
        assert ours == theirs.convert_tokens_to_ids(theirs.tokenize(text))


# ---- case ----

CASED = Vocabulary({word: i for i, word in enumerate([*WORDS, "Un", "È", "##ABLE"])}, lower_case=False)
LOWER = replace(CASED, lower_case=True)
CONFIG = "tokenizer_config.json"


def test_a_lower_cased_vocabulary_is_one_file_whose_digest_is_that_of_its_entries(tmp_path: Path) -> None:
    LOWER.save(tmp_path / "vocab.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]
    entries = "\n".join(f"{token}\t{index}" for token, index in LOWER.ids.items())
    assert LOWER.digest == hashlib.sha256(entries.encode()).hexdigest()


def test_the_case_is_kept_beside_the_same_tokens(tmp_path: Path) -> None:
    CASED.save(tmp_path / "cased" / "vocab.txt")
    LOWER.save(tmp_path / "lower" / "vocab.txt")
    files = [(tmp_path / name / "vocab.txt").read_bytes() for name in ("cased", "lower")]
    assert files[0] == files[1] and json.loads((tmp_path / "cased" / CONFIG).read_text()) == {"do_lower_case": False}
    assert Vocabulary.load(tmp_path / "cased" / "vocab.txt") == CASED != LOWER
    assert CASED.digest != LOWER.digest


def test_saving_never_leaves_the_case_of_the_vocabulary_before(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    (tmp_path / CONFIG).write_text(json.dumps({"do_lower_case": False, "model_max_length": 512}))
    for vocabulary in (LOWER, CASED, LOWER):
        vocabulary.save(path)
        assert Vocabulary.load(path) == vocabulary
        assert json.loads((tmp_path / CONFIG).read_text())["model_max_length"] == 512


def test_the_tokenizer_config_belongs_to_vocab_txt_alone(tmp_path: Path) -> None:
    CASED.save(tmp_path / "vocab.txt")
    LOWER.save(tmp_path / "other.txt")
    assert Vocabulary.load(tmp_path / "other.txt") == LOWER and Vocabulary.load(tmp_path / "vocab.txt") == CASED
    with pytest.raises(UserError, match=r"third\.txt: the file of a cased vocabulary must be named vocab\.txt"):
        CASED.save(tmp_path / "third.txt")
    assert not (tmp_path / "third.txt").exists()


@pytest.mark.parametrize("value", ["false", 0, 1])
def test_a_case_that_is_neither_true_nor_false_is_an_error(tmp_path: Path, value: object) -> None:
    LOWER.save(tmp_path / "vocab.txt")
    (tmp_path / CONFIG).write_text(json.dumps({"do_lower_case": value}))
    with pytest.raises(UserError, match=rf"{CONFIG}: do_lower_case: expected true or false, found {value!r}"):
        Vocabulary.load(tmp_path / "vocab.txt")


def test_a_cased_tokenizer_keeps_capital_letters_and_accents() -> None:
    text = "Unable unABLE È中"
    assert CASED.tokenizer.encode(text, add_special_tokens=False).tokens == ["Un", "##able", "un", "##ABLE", "È", "中"]
    expected = ["un", "##able", "un", "##able", "[UNK]", "中"]
    assert LOWER.tokenizer.encode(text, add_special_tokens=False).tokens == expected


def test_many_capital_letters_in_a_lower_cased_vocabulary_are_said() -> None:
    assert CASED.warnings == [] and Vocabulary(LOWER.ids | {f"w{i}": 20 + i for i in range(60)}).warnings == []
    assert "3 of 14 tokens have capital letters" in LOWER.warnings[0] and CONFIG in LOWER.warnings[0]


PARTS = [
    "Zürich",
    "ÉCOLE",
    "naïve",
    "I",
    "don't",
    "北京",
    "Ünï",
    "ﬁ",
    "A\u0301b",
    "N.A.S.A.",
    "ÅÄÖ",
    "x",
    "Tomás",
    "2008",
]


@pytest.mark.parametrize("lower_case", [True, False])
def test_ids_of_either_case_are_those_of_other_libraries_bert(tmp_path: Path, lower_case: bool) -> None:
    """PaddleNLP's tokenizer is Google's in Python; `tokenizers` has its own class for BERT."""
    from paddlenlp.transformers import BertTokenizer
    from tokenizers.implementations import BertWordPieceTokenizer

    characters = sorted({c for part in PARTS for c in part + part.lower() + "e\u0301uiaoc"})
    pieces = [
        "Zü",
        "##rich",
        "zu",
        "na",
        "##ï",
        "É",
        "##CO",
        "##LE",
        "eco",
        "##le",
        "don",
        "Tom",
        "##ás",
        "tomas",
        "##.A",
    ]
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *characters, *(f"##{c}" for c in characters), *pieces])
    vocabulary = Vocabulary({token: i for i, token in enumerate(tokens)}, lower_case)
    vocabulary.save(tmp_path / "vocab.txt")
    fast = BertWordPieceTokenizer(dict(vocabulary.ids), lowercase=lower_case, strip_accents=None)
    slow = BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=lower_case)
    random = np.random.default_rng(3)
    for _ in range(200):
        text = "".join(random.choice(PARTS) + random.choice(["", " ", ", ", "-"]) for _ in range(8))
        ours = vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
        assert ours == fast.encode(text, add_special_tokens=False).ids
        assert ours == slow.convert_tokens_to_ids(slow.tokenize(text)), text
