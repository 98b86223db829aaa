"""Corpora in other encodings: read if the encoding is set, else refused with a guess; a few bad bytes are removed."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from helpers import Run, assert_user_error

from data_builders.readers.finding import OTHER_SUFFIX
from data_builders.readers.jsonl import LONE_SURROGATES, JsonLinesReader
from data_builders.readers.lines import BAD_BYTES, NUL
from data_builders.readers.mediawiki import MediaWikiReader
from data_builders.readers.pairs import DiscoursePairReader
from data_builders.readers.reader import RawCorpus, Reader
from data_builders.readers.text import TextReader
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.testing import toy_vocabulary
from ernie_paddle.text.vocabulary import Vocabulary

CHINESE = "群众对此表示满意，干部也很高兴。"
TEXTS = {
    "gb18030": CHINESE,
    "big5": "群眾對此表示滿意，幹部也很高興。",
    "shift_jis": "これは日本語の文章です。経済の発展。",
    "cp1252": "Les élèves étaient très fatigués après la journée.",
    "utf-16": CHINESE,
    "utf-16-le": CHINESE,
    "utf-16-be": CHINESE,
    "utf-32": CHINESE,
}
DUMP = (
    "<mediawiki><siteinfo></siteinfo><page><title>T</title><ns>0</ns><id>1</id><revision><id>1</id>"
    "<timestamp>2005-07-09T19:00:00Z</timestamp><contributor><ip>::</ip></contributor><text>{}</text></revision>"
    "</page></mediawiki>"
)


def written(reader: Reader, text: str) -> str:
    """Return the content of a file of the format, with the text in three documents or in one page."""
    match reader:
        case JsonLinesReader():
            return "".join(json.dumps({"text": f"{text}{i}"}, ensure_ascii=False) + "\n" for i in range(3))
        case DiscoursePairReader():
            return "".join(f"{text}{i}\t{text}\tand\n" for i in range(3))
        case MediaWikiReader():
            return DUMP.format(text * 3)
    return "\n\n".join(f"{text}{i}\n{text}" for i in range(3)) + "\n"


def paragraphs(source: RawCorpus) -> list[list[str]]:
    return [document.paragraphs for document in source.documents()]


@pytest.mark.parametrize("reader", [TextReader(), JsonLinesReader(), DiscoursePairReader(), MediaWikiReader()])
@pytest.mark.parametrize("encoding", TEXTS)
def test_a_file_in_another_encoding_is_refused_and_read_with_it(tmp_path: Path, reader: Reader, encoding: str) -> None:
    text, path, plain = TEXTS[encoding], tmp_path / "other", tmp_path / "utf8"
    path.write_bytes(written(reader, text).encode(encoding))
    plain.write_text(written(reader, text), encoding="utf-8")
    with pytest.raises(UserError, match=rf"other: not UTF-8 but, by its bytes, {encoding}.*'encoding'"):
        list(RawCorpus("", path, reader, "zh").documents())
    expected = paragraphs(RawCorpus("", plain, reader, "zh"))
    assert paragraphs(RawCorpus("", path, reader, "zh", encoding)) == expected and text in expected[0][0]
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert paragraphs(RawCorpus("", packed, reader, "zh", encoding)) == expected
    with pytest.raises(UserError, match=f"packed.gz: not UTF-8 but, by its bytes, {encoding}"):
        list(RawCorpus("", packed, reader, "zh").documents())


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_few_bad_bytes_of_a_large_file_are_removed_and_counted(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.txt"
    good = f"{CHINESE}\n\n" * 200
    bad = f"{CHINESE}\n\n".encode(encoding)
    cut = b"\x00\xd8" if encoding == "utf-16" else b"\xff"
    path.write_bytes(good.encode(encoding) + bad[:6] + cut + bad[6:] + bad + cut)
    tally: Counter[str] = Counter()
    source = RawCorpus("", path, TextReader(), "zh", None if encoding == "utf-8" else encoding)
    records = [record.text for record in source.records(tally)]
    assert tally == {BAD_BYTES: 2} and len(records) == 202 + (encoding == "utf-16") * 0
    assert set(records[:200]) == {CHINESE} and all("\ufffd" not in text for text in records)


def test_the_file_of_a_folder_that_is_in_another_encoding_is_named(tmp_path: Path) -> None:
    for name, encoding in (("a", "utf-8"), ("b", "gbk"), ("c", "utf-8")):
        (tmp_path / f"{name}.txt").write_bytes(f"{CHINESE}\n".encode(encoding) * 3)
    with pytest.raises(UserError, match=r"b\.txt: not UTF-8 but, by its bytes, gb18030"):
        list(RawCorpus("", tmp_path, TextReader(), "zh").documents())


def test_a_text_that_was_decoded_wrongly_before_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text((CHINESE * 3 + "\n").encode("gbk").decode("utf-8", errors="replace"), encoding="utf-8")
    with pytest.raises(UserError, match=r"t\.txt: not UTF-8"):
        list(RawCorpus("", path, TextReader(), "zh").documents())


def test_a_text_with_a_few_replacement_characters_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("They don\ufffdt, it\ufffds said, and more words than these.\n" * 100, encoding="utf-8")
    tally: Counter[str] = Counter()
    source = RawCorpus("", path, TextReader(), "en")
    assert [source.document(record) for record in source.records(tally)] and tally == {BAD_BYTES: 100}
    assert "They dont, its said" in next(source.documents()).paragraphs[0]


def test_a_large_file_is_read_in_its_encoding_as_it_would_be_in_utf8(tmp_path: Path) -> None:
    text = "".join(f"{i}{CHINESE * (i % 50)}\n\n" for i in range(3000))
    (tmp_path / "a").write_bytes(text.encode("gbk"))
    (tmp_path / "b").write_text(text, encoding="utf-8")
    assert paragraphs(RawCorpus("", tmp_path / "a", TextReader(), "zh", "gbk")) == paragraphs(
        RawCorpus("", tmp_path / "b", TextReader(), "zh")
    )


def test_utf16_is_not_taken_for_text_with_nul(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("Plain words of English.\n".encode("utf-16-le") * 9)
    with pytest.raises(UserError, match=r"by its bytes, utf-16-le"):
        list(RawCorpus("", path, TextReader(), "en").documents())
    path.write_bytes(b"Plain words of English.\n" * 9 + b"\x00\n")
    tally: Counter[str] = Counter()
    assert len(list(RawCorpus("", path, TextReader(), "en").records(tally))) == 1 and tally == {NUL: 1}


def test_a_wrong_encoding_in_the_settings_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(CHINESE.encode("utf-8") * 9)
    with pytest.raises(UserError, match=r"t\.txt: not in the encoding 'ascii' that was given"):
        list(RawCorpus("", path, TextReader(), "zh", "ascii").documents())


def test_lone_surrogates_in_json_are_removed_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [
        {"text": "cut\ud83d", "title": "\ude00T"},
        {"text": "whole\U0001f600"},
        {"text": "\\ud83d", "x\ud83d": ["\ud83d"]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source, tally = RawCorpus("", path, JsonLinesReader(), "en"), Counter[str]()
    documents = [source.document(record) for record in source.records(tally)]
    found = [(d.title, d.paragraphs) for d in documents if d]
    assert found == [("T", ["cut"]), (None, ["whole\U0001f600"]), (None, ["\\ud83d"])]
    assert tally == {LONE_SURROGATES: 2}


def test_build_and_vocab_take_an_encoding_and_write_nothing_if_it_is_wrong(run: Run, tmp_path: Path) -> None:
    text = "".join(f"第{i}篇文章讲的是当地的经济发展情况。\n{CHINESE}\n\n" for i in range(60))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "README.md").write_text("not a part of it")
    (tmp_path / "corpus" / "t.txt").write_bytes(text.encode("gbk"))
    vocabulary = toy_vocabulary(sorted(set(text) - {"\n"}))
    vocabulary.save(tmp_path / "vocab.txt")
    plan = tmp_path / "plan.yaml"
    corpus = {"path": str(tmp_path / "corpus"), "format": "text", "language": "zh"}
    tree = {"vocab": str(tmp_path / "vocab.txt"), "max_length": 64, "validation_share": 0.3}
    tree |= {"corpora": {"t": corpus}, "tasks": {"knowledge_masking": {"corpora": ["t"]}}}
    plan.write_text(json.dumps(tree))
    out = tmp_path / "out"
    assert_user_error(*run("build", "--corpora", plan, "--out", out), "t.txt", "gb18030", "encoding")
    assert not list(out.rglob("*.arrow")) or not (out / "knowledge_masking").exists()
    code, said = run("build", "--corpora", plan, "--out", out, "--set", "corpora.t.encoding=gbkk")
    assert_user_error(code, said, "corpora.t.encoding", "unknown encoding 'gbkk'")
    code, said = run("build", "--corpora", plan, "--out", out, "--set", "corpora.t.variant=zh-tw")
    assert_user_error(code, said, "corpora.t.variant", "none for the format 'text'")
    code, said = run(
        "build",
        "--corpora",
        plan,
        "--out",
        out,
        "--set",
        "corpora.t={}".format(json.dumps(corpus | {"format": "mediawiki", "variant": "zh-xx"})),
    )
    assert_user_error(code, said, "corpora.t.variant", "'zh-xx', expected one of zh-hans, zh-hant")
    assert run("build", "--corpora", plan, "--out", out, "--set", "corpora.t.encoding=GBK")[0] == 0
    noted = read_json(out / "annotated" / "t" / "annotated.json", "counts")["counts"]["noted"]
    assert noted == {OTHER_SUFFIX: 1}
    train = ("vocab", "--size", 200, "--out", tmp_path / "made.txt", tmp_path / "corpus" / "t.txt")
    assert_user_error(*run(*train), "t.txt", "gb18030", "--encoding")
    assert not (tmp_path / "made.txt").exists()
    assert run(*train, "--encoding", "gbk")[0] == 0
    assert "群" in Vocabulary.load(tmp_path / "made.txt").ids
    assert_user_error(*run(*train, "--encoding", "utf-99"), "--encoding", "unknown encoding 'utf-99'")
    (tmp_path / "gold.txt").write_bytes("群众/n 满意/v\n".encode("gbk") * 5)
    assert_user_error(*run("spans", tmp_path / "gold.txt"), "gold.txt", "gb18030")
