"""Vocabularies in both formats of the release, and the ids of its tokenizer."""

from pathlib import Path

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
    encoding = vocabulary.tokenizer().encode("Unable ABLE 中国 xyz", add_special_tokens=False)
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
        ours = vocabulary.tokenizer().encode(text, add_special_tokens=False).ids
        assert ours == theirs.convert_tokens_to_ids(theirs.tokenize(text))
