"""Vocabularies in `tokenizer.json`, and the case and length that tokenizer files declare."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import Run, assert_user_error
from weights_support import assert_equal, random_model, read_model, write_model

from ernie_paddle.errors import UserError
from ernie_paddle.text.vocabulary import Vocabulary
from ernie_paddle.weights.report import ConversionReport
from ernie_paddle.weights.tokenizers import longest_input, read_vocabulary


def with_fast_tokenizer(folder: Path, lower_case: bool = True, **changes: Any) -> Path:
    """Write a model whose vocabulary is only in `tokenizer.json`, as the library writes it."""
    model = random_model()
    write_model("huggingface", folder, model)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink()
    tokenizer = replace(model.vocabulary, lower_case=lower_case).tokenizer
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    tree = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(tree | changes))
    return folder


def notes_of(report: ConversionReport) -> list[str]:
    """Return the notes but that about the task embedding, which the model does not have."""
    return [note for note in report.notes if note != "there is no task embedding"]


def test_a_folder_without_vocab_txt_is_read(tmp_path: Path) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast")
    found, report = read_model(folder)
    report.check()
    assert_equal(found, random_model())
    assert not notes_of(report)


def test_the_command_takes_either_file_as_vocabulary(run: Run, tmp_path: Path) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast")
    (folder / "tokenizer.json").rename(tmp_path / "elsewhere.json")
    code, text = run("convert", folder, "--out", tmp_path / "out")
    assert_user_error(code, text, "vocab.txt", "--vocab")
    code, text = run("convert", folder, "--out", tmp_path / "out", "--vocab", tmp_path / "elsewhere.json")
    assert code == 0, text
    assert Vocabulary.load(tmp_path / "out" / "vocab.txt") == random_model().vocabulary


def test_added_tokens_have_their_ids(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    tree = json.loads(random_model().vocabulary.tokenizer.to_str())
    pad = tree["model"]["vocab"].pop("[PAD]")
    added = [{"id": pad, "content": "[PAD]", "special": True}, {"id": 40, "content": "<new>", "special": False}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree | {"added_tokens": added}))
    assert read_vocabulary(tmp_path / "tokenizer.json").ids == random_model().vocabulary.ids | {"<new>": 40}


@pytest.mark.parametrize("lower_case", [True, False])
def test_the_configuration_or_the_normalizer_tells_the_case(tmp_path: Path, lower_case: bool) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast", lower_case)

    def found() -> bool:
        model, report = read_model(folder)
        assert not notes_of(report)
        return model.vocabulary.lower_case

    assert found() is lower_case
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": not lower_case}))
    assert found() is not lower_case
    (folder / "tokenizer_config.json").write_text("{}")
    several = {
        "type": "Sequence",
        "normalizers": [{"type": "NFC"}, {"type": "BertNormalizer", "lowercase": lower_case}],
    }
    tree = json.loads((folder / "tokenizer.json").read_text()) | {"normalizer": several}
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    assert found() is lower_case
    random_model().vocabulary.save(tmp_path / "alone" / "vocab.txt")
    shutil.copy(tmp_path / "alone" / "vocab.txt", folder)
    assert found() is lower_case, "vocab.txt, whose case tokenizer.json tells"


@pytest.mark.parametrize(
    ("normalizer", "lower_case"),
    [(None, False), ({"type": "NFC"}, False), ({"type": "Lowercase"}, True)],
)
def test_a_normalizer_that_lower_cases_nothing_is_that_of_a_cased_vocabulary(
    tmp_path: Path, normalizer: Any, lower_case: bool
) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast", normalizer=normalizer)
    (folder / "tokenizer.json").rename(tmp_path / "elsewhere.json")
    assert read_vocabulary(tmp_path / "elsewhere.json").lower_case is lower_case


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strip_accents": True}, "strips accents"),
        ({"strip_accents": False}, "keeps accents"),
        ({"strip_accents": None}, None),
        ({"tokenize_chinese_chars": False}, "does not separate Chinese characters"),
        ({"tokenize_chinese_chars": True}, None),
    ],
)
def test_settings_of_a_tokenizer_that_are_not_kept_are_said(
    tmp_path: Path, settings: dict[str, Any], words: str | None, lower_case: bool
) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast", lower_case)
    as_bert = settings == {"strip_accents": lower_case}
    expected = 0 if as_bert or words is None else 1
    fast = json.loads((folder / "tokenizer.json").read_text())
    names = {"tokenize_chinese_chars": "handle_chinese_chars"}
    normalizer = fast["normalizer"] | {names.get(name, name): value for name, value in settings.items()}
    (folder / "tokenizer.json").write_text(json.dumps(fast | {"normalizer": normalizer}))
    assert [str(words) in note for note in notes_of(read_model(folder)[1])] == [True] * expected
    (folder / "tokenizer.json").write_text(json.dumps(fast))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case, **settings}))
    assert [str(words) in note for note in notes_of(read_model(folder)[1])] == [True] * expected


def test_a_vocabulary_of_the_other_case_than_its_model_is_said(tmp_path: Path) -> None:
    folder = with_fast_tokenizer(tmp_path / "fast", lower_case=False)
    random_model().vocabulary.save(tmp_path / "vocab.txt")
    model, report = read_model(folder, tmp_path / "vocab.txt")
    assert model.vocabulary.lower_case
    assert ["as this vocabulary does, which is lower-cased" in note for note in notes_of(report)] == [True]


def test_a_vocabulary_that_looks_cased_is_said(tmp_path: Path) -> None:
    model = random_model()
    capitals = {token.upper(): i for token, i in model.vocabulary.ids.items()}
    write_model("huggingface", tmp_path / "out", replace(model, vocabulary=Vocabulary(capitals)))
    (tmp_path / "out" / "tokenizer_config.json").unlink()
    (note,) = notes_of(read_model(tmp_path / "out")[1])
    assert "out/vocab.txt: 35 of 40 tokens have capital letters" in note
    (tmp_path / "out" / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert not notes_of(read_model(tmp_path / "out")[1])


@pytest.mark.parametrize("layout", ["release", "paddlenlp", "huggingface", "ernie-paddle"])
def test_a_cased_model_is_cased_in_every_layout(tmp_path: Path, layout: str) -> None:
    model = random_model(layer_norm_epsilon=1e-5 if layout == "release" else 1e-12)
    cased = replace(model, vocabulary=replace(model.vocabulary, lower_case=False))
    notes = write_model(layout, tmp_path / "out", cased)
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["do_lower_case"] is False
    assert ["--do_lower_case false" in note for note in notes] == [True] * (layout == "release")
    found, report = read_model(tmp_path / "out")
    assert_equal(found, cased)
    assert not notes_of(report)


@pytest.mark.parametrize("lower_case", [True, False])
@pytest.mark.parametrize(
    ("layout", "tokenizer_class"), [("huggingface", "BertTokenizer"), ("paddlenlp", "ErnieTokenizer")]
)
def test_the_files_of_a_tokenizer_are_written_as_each_library_reads_them(
    tmp_path: Path, layout: str, tokenizer_class: str, lower_case: bool
) -> None:
    """Every id has a line, with or without a token, because the line number is the id."""
    model = random_model(layer_norm_epsilon=1e-12)
    holes = replace(
        model,
        vocabulary=Vocabulary({t: i for t, i in model.vocabulary.ids.items() if t not in ("w3", "w9")}, lower_case),
    )
    write_model(layout, tmp_path / "out", holes)
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": tokenizer_class,
        "do_lower_case": lower_case,
        "model_max_length": 16,
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
        "unk_token": "[UNK]",
    }
    lines = (tmp_path / "out" / "vocab.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)) == 40
    assert {token: lines.index(token) for token in holes.vocabulary.ids} == holes.vocabulary.ids
    assert_equal(read_model(tmp_path / "out")[0], holes)


def test_the_longest_input_has_no_more_than_the_positions(tmp_path: Path) -> None:
    assert longest_input(tmp_path, 16) == 16
    for told, expected in ((8, 8), (512, 16), (1e30, 16), (None, 16), (1, 16), (2, 16), (3, 3), ("8", 16)):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": told}))
        assert longest_input(tmp_path, 16) == expected


WORDS = {token: number for number, token in enumerate(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "a"])}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"model": {"type": "BPE", "vocab": WORDS}}, "a BPE tokenizer"),
        ({"model": {"type": "WordPiece", "vocab": WORDS, "continuing_subword_prefix": "@@"}}, "pieces '@@'"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0.5]]}}, "no WordPiece vocabulary"),
        ({}, "no WordPiece vocabulary"),
        ({"model": {"type": "WordPiece", "vocab": {**WORDS, "b": "6"}}}, "token 'b' has id '6'"),
        ({"model": {"type": "WordPiece", "vocab": {**WORDS, "b": -1}}}, "token 'b' has id -1"),
        ({"model": {"type": "WordPiece", "vocab": {**WORDS, "b": 5}}}, "two tokens have the same id"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, r"\[PAD\], .* missing"),
        ({"model": {"vocab": WORDS}, "added_tokens": [{"id": 9, "content": "a"}]}, "token 'a' has id 9"),
    ],
)
def test_tokenizers_of_another_kind_are_named(tmp_path: Path, tree: dict[str, Any], message: str) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    with pytest.raises(UserError, match=rf"tokenizer\.json: .*{message}"):
        read_vocabulary(tmp_path / "tokenizer.json")
