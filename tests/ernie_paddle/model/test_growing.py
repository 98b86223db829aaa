"""Models with new words: what is added, what stays, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error
from small_models import vocabulary_of, write_small_model

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning_task import KeptSignature
from ernie_paddle.inference.encoder import Encoder
from ernie_paddle.model.growing import OF_TOKENS, add_words, read_words, with_words
from ernie_paddle.model.saved import Model, check_model, load_model, save_model
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from ernie_paddle.weights.names import names_of

WORDS = ["abc", "cab", "烯", "xa"]  # `烯` and `x` have no entry
PIECES = [["a", "##b", "##c"], ["c", "##a", "##b"], ["[UNK]"], ["[UNK]"]]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the characters a to d, whose bias of the masked-LM head is not zero, with two rows too many."""
    folder = tmp_path_factory.mktemp("model")
    write_small_model(folder, vocabulary_of("abcd"), 16)
    model = load_model(folder)
    random, rows = np.random.default_rng(1), model.vocabulary.size + 2
    parameters = {
        name: random.normal(size=(rows, *model.parameters[name].shape[1:])).astype(np.float32) for name in OF_TOKENS
    }
    config = model.config.model_copy(update={"vocab_size": rows})
    save_model(folder, replace(model, config=config, parameters=model.parameters | parameters))
    return folder


@pytest.fixture(scope="module")
def model(small_model: Path) -> Model:
    return load_model(small_model)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_words_take_free_rows_first_and_then_new_ones(model: Model) -> None:
    size, rows = model.vocabulary.size, model.config.vocab_size
    grown = add_words(model, WORDS)
    ids = [grown.vocabulary.ids[word] for word in WORDS]
    assert ids == [len(SPECIAL_TOKENS), size, size + 1, rows], "of [unused1], two without a token, and a new one"
    assert grown.config.vocab_size == grown.vocabulary.size == rows + 1
    assert {**grown.vocabulary.ids, "[unused1]": ids[0]} == model.vocabulary.ids | dict(zip(WORDS, ids, strict=True))
    few = add_words(model, WORDS[:1])
    assert few.config == model.config and few.vocabulary.size == size


def test_ids_without_a_token_are_free() -> None:
    holes = Vocabulary({token: 2 * i for i, token in enumerate([*SPECIAL_TOKENS, "[unused7]", "[unused]"])})
    added = with_words(holes, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], 15)
    assert [added.ids[word] for word in "abcdefghij"] == [1, 3, 5, 7, 9, 10, 11, 13, 14, 15]
    assert "[unused7]" not in added.ids and added.ids["[unused]"] == 12


@pytest.mark.parametrize("count", [1, 2, len(WORDS)])
def test_rows_of_new_words_are_means_and_all_others_stay(model: Model, count: int) -> None:
    grown = add_words(model, WORDS[:count])
    ids = [grown.vocabulary.ids[word] for word in WORDS[:count]]
    assert grown.parameters.keys() == model.parameters.keys()
    for name, before in model.parameters.items():
        after = grown.parameters[name]
        assert after.dtype == before.dtype
        if name not in OF_TOKENS:
            assert after is before
            continue
        others = [i for i in range(len(before)) if i not in ids]
        assert (after[others] == before[others]).all() and len(others) == len(before) - min(count, 3)
        for index, pieces in zip(ids, PIECES, strict=False):
            rows = [before[model.vocabulary.ids[piece]] for piece in pieces]
            assert after[index] == pytest.approx(sum(rows) / len(rows), abs=1e-6)


def test_the_score_of_a_new_word_is_the_mean_of_the_scores_of_its_pieces(model: Model) -> None:
    grown, hidden = add_words(model, WORDS), np.random.default_rng(2).normal(size=(5, model.config.hidden_size))
    scores = hidden @ grown.parameters[OF_TOKENS[0]].T + grown.parameters[OF_TOKENS[1]]
    mean = scores[:, [grown.vocabulary.ids[piece] for piece in PIECES[0]]].mean(axis=1)
    assert np.allclose(scores[:, grown.vocabulary.ids["abc"]], mean, atol=1e-5)


def test_the_parameters_that_grow_are_those_with_a_row_for_each_entry(model: Model) -> None:
    sizes = model.config.model_copy(update={"vocab_size": 123_457})
    names = names_of("ours", sizes)
    assert {name.ours for name in names if 123_457 in name.shape} == set(OF_TOKENS)


def test_a_model_without_a_masked_lm_head_grows(model: Model) -> None:
    bias = OF_TOKENS[1]
    without = replace(model, parameters={name: value for name, value in model.parameters.items() if name != bias})
    assert bias not in add_words(without, WORDS).parameters


def test_the_command_writes_a_model_that_reads_new_words_and_all_other_text_as_before(
    run: Run, model: Model, tmp_path: Path
) -> None:
    signature = KeptSignature(task="classification", labels=("a", "b"), max_length=8, data={})
    tuned, out = tmp_path / "tuned", tmp_path / "out"
    tuned.mkdir()
    save_model(tuned, replace(model, signature=signature))
    assert run("vocab-add", tuned, write(tmp_path / "words.txt", *WORDS), "--out", out) == (0, "")
    check_model(out)
    grown, expected = load_model(out), add_words(model, WORDS)
    assert (grown.config, grown.vocabulary.ids) == (expected.config, expected.vocabulary.ids)
    assert all((grown.parameters[name] == value).all() for name, value in expected.parameters.items())
    assert grown.signature == signature
    before, after = Encoder.load(tuned), Encoder.load(out)
    texts = ["bcd dcba", "d b a"]  # "abcd" now begins with the entry "abc"
    assert (before.encode(texts) == after.encode(texts)).all()
    (tokens,) = after.encode(["abc dab 烯"], "tokens")
    assert len(tokens) == len(["[CLS]", "abc", "d", "##a", "##b", "烯", "[SEP]"])
    code, stderr = run("vocab-add", tuned, tmp_path / "words.txt", "--out", out)
    assert_user_error(code, stderr, "out", "not empty")


def test_words_that_would_never_be_found_are_refused_line_by_line(model: Model, tmp_path: Path) -> None:
    lines = {
        "good": "",
        "": "",
        "a": "is an entry already, with id 6",
        "[MASK]": "is an entry already",
        "##bcd": "is a piece of words",
        "two words": "holds white space",
        "tab\tbed": "holds white space",
        "石墨烯": "is split before entries are looked up: 石 墨 烯",
        "covid-19": "covid - 19",
        "[LOC]": "is split before entries are looked up: [ loc ]",
        "DNA": "is read as 'dna'; write it so",
        "café": "is read as 'cafe'",
        "\u200b": "is read as ''",
        "x" * 101: "has more than 100 characters",
        "x" * 100: "",
        "Good": "is read as 'good'",
    }
    path = write(tmp_path / "words.txt", *lines, "good")
    with pytest.raises(UserError) as error:
        read_words(path, model.vocabulary)
    expected = [(number, reason) for number, reason in enumerate(lines.values(), 1) if reason]
    *found, last = str(error.value).splitlines()
    assert len(found) == len(expected)
    for (number, reason), message in zip(expected, found, strict=True):
        assert message.startswith(f"{path}: line {number}: '") and reason in message, message
    assert last == f"{path}: line {len(lines) + 1}: 'good' is already on line 1"
    assert read_words(write(path, "good", "", "x" * 100), model.vocabulary) == ["good", "x" * 100]


def test_a_message_has_at_most_twenty_lines_and_their_number(model: Model, tmp_path: Path) -> None:
    path = write(tmp_path / "words.txt", *(f"A{i}" for i in range(30)))
    with pytest.raises(UserError) as error:
        read_words(path, model.vocabulary)
    lines = str(error.value).splitlines()
    assert len(lines) == 21 and lines[-1] == f"{path}: 10 more lines"


def test_a_file_without_words_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no words"):
        read_words(write(tmp_path / "words.txt", "", ""), model.vocabulary)


def test_every_word_that_is_accepted_is_one_token_afterwards(model: Model, tmp_path: Path) -> None:
    """Which candidates are accepted is what the tokenizer with the word says, for characters of all kinds."""
    random = np.random.default_rng(3)
    alphabet = list("abXÉ中-#·'éß１\u0301😀ア")
    candidates = sorted({"".join(random.choice(alphabet, random.integers(1, 4))) for _ in range(300)})
    accepted = 0
    for word in candidates:
        if word in model.vocabulary.ids:
            continue
        tokenizer = with_words(model.vocabulary, [word], model.config.vocab_size).tokenizer
        found = tokenizer.encode(word, add_special_tokens=False).tokens == [word]
        try:
            accepted += read_words(write(tmp_path / "words.txt", word), model.vocabulary) == [word]
        except UserError:
            assert not found or word.startswith("##"), word
        else:
            assert found, word
    assert 20 < accepted < len(candidates) - 20
