"""Training of vocabularies: which entries a corpus gives, whatever the order of its texts."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import Run, assert_user_error

from data_builders import vocabulary
from data_builders.readers.text import TextReader
from data_builders.testing import ToyCorpora
from data_builders.vocabulary import coverage, paragraphs, train_vocabulary
from ernie_paddle.cli import main
from ernie_paddle.text.vocabulary import SPECIAL_TOKENS, VOCABULARY_FILE, Vocabulary

LATIN = [*"abcdefghijklmnopqrstuvwxyz"]
CYRILLIC = [chr(0x0430 + i) for i in range(32)]


def words(seed: int, count: int, alphabet: list[str] = LATIN) -> list[str]:
    """Random words of 2 to 5 characters, among which ties are frequent."""
    random = np.random.default_rng(seed)
    return ["".join(random.choice(alphabet, random.integers(2, 6))) for _ in range(count)]


def trained(folder: Path, paragraphs: list[str], size: int) -> list[str]:
    """Train a vocabulary on a corpus of one document; its tokens in the order of their ids."""
    path = folder / "corpus.txt"
    path.write_text("\n".join(paragraphs), encoding="utf-8")
    ids = train_vocabulary([(TextReader(), path)], size).ids
    assert sorted(ids.values()) == list(range(len(ids)))
    return sorted(ids, key=lambda token: ids[token])


def merged(counts: Counter[str], tokens: list[str], size: int) -> list[str]:
    """Merge the most frequent pairs of pieces; of equally frequent ones the pair with the lowest ids."""
    split = {word: [word[0], *(f"##{character}" for character in word[1:])] for word in counts}
    tokens = list(tokens)
    while len(tokens) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in split.items():
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        first, second = min(pairs, key=lambda pair: (-pairs[pair], *map(tokens.index, pair)))
        tokens.append(first + second.removeprefix("##"))
        for pieces in split.values():
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == (first, second):
                    pieces[i : i + 2] = [tokens[-1]]
                i += 1
    return tokens


def test_entries_are_special_tokens_characters_and_the_most_frequent_merges(tmp_path: Path) -> None:
    corpus = words(1, 800)
    characters = sorted({word[0] for word in corpus} | {c for word in corpus for c in word})
    continuations = [f"##{character}" for character in sorted({c for word in corpus for c in word[1:]})]
    expected = merged(Counter(corpus), [*SPECIAL_TOKENS, *characters, *continuations], 110)
    assert trained(tmp_path, corpus, 110) == expected


@pytest.mark.parametrize(
    "corpus",
    [words(2, 300), words(2, 90, CYRILLIC), [chr(0x4E00 + i) for i in range(200)]],
    ids=["pieces of words", "rare characters", "single characters"],
)
def test_neither_chance_nor_the_order_of_texts_changes_a_vocabulary(tmp_path: Path, corpus: list[str]) -> None:
    """Many entries are equally frequent, and there are more than fit."""
    first = trained(tmp_path, corpus, 70)
    shuffled = [corpus[i] for i in np.random.default_rng(3).permutation(len(corpus))]
    assert all(trained(tmp_path, texts, 70) == first for texts in (corpus, shuffled, shuffled[::-1], corpus))


def test_chinese_fills_the_vocabulary_with_the_most_frequent_characters(tmp_path: Path) -> None:
    """Chinese words are single characters, so there is nothing to merge."""
    counts = {chr(0x4E00 + i): 1 + (7 * i) % 5 for i in range(200)}
    corpus = [character * count for character, count in counts.items()]
    tokens = trained(tmp_path, corpus, 100)
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    assert len(tokens) == 100
    assert set(tokens) == {*SPECIAL_TOKENS, *ranked[:95]}


def test_characters_leave_a_quarter_to_merged_pieces_of_words(tmp_path: Path) -> None:
    corpus = words(4, 2000) + [chr(0x4E00 + i) * 100 for i in range(200)]
    tokens = trained(tmp_path, corpus, 200)
    pieces = [token.removeprefix("##") for token in tokens if token not in SPECIAL_TOKENS]
    assert len(tokens) == 200
    assert sum(len(piece) == 1 for piece in pieces) == 150


def test_characters_are_counted_where_they_stand_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs are words, and so are Chinese characters. Memory does not change the counts."""
    texts = ["Can't, can", "can 天can天", "é—e ee"] * 3
    tokenizer = Vocabulary({token: i for i, token in enumerate(SPECIAL_TOKENS)}).tokenizer
    first = {"c": 4, "'": 1, "t": 1, ",": 1, "天": 2, "e": 3, "—": 1}
    later = {"a": 4, "n": 4, "e": 1}
    for most in (vocabulary.MOST_CHUNKS, 1):
        monkeypatch.setattr(vocabulary, "MOST_CHUNKS", most)
        counted = vocabulary.Characters.count(iter(texts), tokenizer)
        assert counted.first == {character: 3 * count for character, count in first.items()}
        assert counted.later == {character: 3 * count for character, count in later.items()}


@pytest.mark.parametrize("size", [50, 60, 75])
def test_a_small_vocabulary_keeps_to_its_size(tmp_path: Path, size: int) -> None:
    """Each of these characters needs two entries, as a beginning and as a continuation."""
    tokens = trained(tmp_path, words(5, 500, CYRILLIC), size)
    assert len(tokens) == size


def test_a_corpus_with_too_few_characters_gives_fewer_entries_and_says_so(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text("一二三 ab")
    code, stderr = run("vocab", "--size", "50", "--out", tmp_path / "vocab.txt", tmp_path / "corpus.txt")
    assert (code, stderr.strip()) == (0, "note: fewer than --size: the corpora have no more characters and pieces")
    assert Vocabulary.load(tmp_path / "vocab.txt").size == len(SPECIAL_TOKENS) + len("一二三") + len(["a", "b", "##b"])


def test_a_size_that_is_too_small(run: Run, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("abc")
    code, stderr = run("vocab", "--size", "49", "--out", tmp_path / "vocab.txt", tmp_path / "corpus.txt")
    assert_user_error(code, stderr, "--size 49", "at least 50")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ToyCorpora:
    return ToyCorpora.write(tmp_path_factory.mktemp("toy"), articles=20, pages=1)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_coverage_is_a_recount_over_every_word_of_real_text(toy: ToyCorpora, language: str) -> None:
    corpus = {str(name): corpus for name, corpus in toy.corpora.items()}[language]
    texts = list(paragraphs([(corpus.reader, corpus.path)], None))
    few = Vocabulary({token: i for i, token in enumerate(sorted(toy.vocabulary.ids)[::2] + list(SPECIAL_TOKENS))})
    tokenizer = few.tokenizer
    found = [
        tokenizer.encode(word, add_special_tokens=False).tokens
        for text in texts
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    ]
    counted = coverage(iter(texts), few)
    assert counted.words == len(found) > 500
    assert counted.tokens == sum(map(len, found))
    assert counted.unknown == found.count(["[UNK]"]) > 50
    assert counted.unknown_share == pytest.approx(found.count(["[UNK]"]) / sum(map(len, found)))
    assert counted.tokens_per_word == pytest.approx(np.mean(list(map(len, found))))


def test_a_text_without_words_is_covered_by_nothing(toy: ToyCorpora) -> None:
    nothing = coverage([" ", ""], toy.vocabulary)
    assert (nothing.words, nothing.tokens, nothing.unknown_share, nothing.tokens_per_word) == (0, 0, 0, 0)


def test_the_command_shows_the_coverage_before_and_with_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vocabulary = Vocabulary({token: i for i, token in enumerate([*SPECIAL_TOKENS, "a", "##b", "##c"])})
    vocabulary.save(tmp_path / VOCABULARY_FILE)
    (tmp_path / "corpus.txt").write_text("abc 烯 a x\nabc\n", encoding="utf-8")
    (tmp_path / "words.txt").write_text("abc\n烯\n", encoding="utf-8")
    corpus = f"text:{tmp_path / 'corpus.txt'}"
    shown = []
    for options in ([], ["--words", str(tmp_path / "words.txt")]):
        main(["vocab-coverage", str(tmp_path / VOCABULARY_FILE), corpus, *options])
        (row,) = (line for line in capsys.readouterr().out.splitlines() if corpus in line)
        shown.append([cell.strip() for cell in row.strip("│").split("│")])
    before, with_new_words = ["9", "22.222%", "1.800"], ["5", "20.000%", "1.000"]
    assert shown == [[corpus, "5", *before], [corpus, "5", *before, *with_new_words]]
