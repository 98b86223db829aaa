"""Files, folders and patterns: the same files, each once, with any links."""

import os
from collections import Counter
from pathlib import Path

import pytest

from data_builders.readers.finding import BROKEN, HIDDEN, NO_FILE, OTHER_SUFFIX, SEEN, corpus_files
from data_builders.readers.reader import RawCorpus
from data_builders.readers.text import TextReader
from ernie_paddle.errors import UserError

KEPT = ["corpus/a.txt", "corpus/more/b.txt", "corpus/more/deep/c.txt.gz", "corpus/own/d.txt"]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a linked folder, loops, links to files, a broken link, hidden files and other suffixes."""
    monkeypatch.chdir(tmp_path)
    for name in (*KEPT, "corpus/README.md", "corpus/own/map.png", "corpus/.DS_Store", "corpus/own/._d.txt"):
        Path(name.replace("corpus/more", "elsewhere")).parent.mkdir(parents=True, exist_ok=True)
        Path(name.replace("corpus/more", "elsewhere")).write_text(name)
    Path("corpus/.ipynb_checkpoints").mkdir()
    Path("corpus/.ipynb_checkpoints/a.txt").write_text("an older state")
    Path("corpus/more").symlink_to("../elsewhere")
    Path("corpus/own/up").symlink_to("..")
    Path("elsewhere/itself").symlink_to(".")
    Path("corpus/same.txt").symlink_to("a.txt")
    Path("corpus/gone.txt").symlink_to("nowhere")
    os.mkfifo("corpus/pipe.txt")
    return Path("corpus")


@pytest.mark.parametrize("path", ["corpus", "corpus/*", "corpus/**", "corpus/**/*", "*", "**", "c*s", "./corpus/"])
def test_a_folder_and_its_patterns_mean_the_same_files(corpus: Path, path: str) -> None:
    found = corpus_files(Path(path), (".txt",))
    kept = [str(file).replace("elsewhere", "corpus/more") for file in found.files]
    assert sorted(kept) == KEPT
    assert found.skipped[HIDDEN] == 3 and found.skipped[OTHER_SUFFIX] == 2 and found.skipped[SEEN] >= 3
    assert found.skipped[BROKEN] == found.skipped[NO_FILE] == 1


def test_absolute_paths_give_absolute_files_in_order(corpus: Path) -> None:
    for path in (corpus.absolute(), corpus.absolute() / "*", corpus.absolute() / "**"):
        assert corpus_files(path, (".txt",)).files == [Path(name).absolute() for name in KEPT]


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("corpus/*.txt", KEPT[:1]),
        ("corpus/**/*.txt", [*KEPT[:2], KEPT[3]]),
        ("corpus/*/*.txt*", [KEPT[1], KEPT[3]]),
        ("corpus/own/m*", ["corpus/own/map.png"]),
        ("corpus/[m]*", KEPT[1:3]),
        ("corpus/.ipynb*/*", ["corpus/.ipynb_checkpoints/a.txt"]),
        ("corpus/own/.*", ["corpus/own/._d.txt"]),
    ],
)
def test_a_pattern_whose_last_part_has_a_name_means_all_matches(corpus: Path, pattern: str, files: list[str]) -> None:
    assert [str(file) for file in corpus_files(Path(pattern), (".txt",)).files] == files


def test_a_single_file_is_read_whatever_its_suffix(corpus: Path) -> None:
    assert corpus_files(Path("corpus/.DS_Store"), (".txt",)).files == [Path("corpus/.DS_Store")]
    Path("corpus/[x]").mkdir()
    Path("corpus/[x]/y*.txt").write_text("")
    assert corpus_files(Path("corpus/[x]"), (".txt",)).files == [Path("corpus/[x]/y*.txt")]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("corpus/own", r"ends in \.xml \(4 hidden"),
        ("corpus/own/*", r"no file.* \.xml \("),
        ("corpus/x*", "no file matches"),
        ("x", "not found"),
    ],
)
def test_a_path_without_files_is_refused_with_the_skipped_names(corpus: Path, path: str, words: str) -> None:
    (corpus / "own" / ".hidden").write_text("")
    with pytest.raises(UserError, match=words):
        corpus_files(Path(path), (".xml",))


def test_a_link_to_a_loop_of_links_counts_as_broken(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("b.txt")
    (tmp_path / "b.txt").symlink_to("a.txt")
    (tmp_path / "c.txt").write_text("text")
    assert corpus_files(tmp_path, (".txt",)).skipped == Counter({BROKEN: 2})


def test_documents_of_linked_folders_are_read(corpus: Path) -> None:
    for packed in Path("elsewhere").rglob("*.gz"):
        packed.unlink()
    documents = RawCorpus("", corpus, TextReader(), "en").documents()
    assert [document.paragraphs for document in documents] == [[KEPT[0]], [KEPT[1]], [KEPT[3]]]
