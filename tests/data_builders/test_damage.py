"""Files of an earlier build are reused if they are undamaged and otherwise, after a warning, made again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import damaged
from small_models import character_vocabulary

from data_builders import build as building
from data_builders.annotation import store
from data_builders.build import build
from data_builders.corpora_config import BuildSettings
from data_builders.workers import Processes
from ernie_paddle.checksums import write_sealed
from ernie_paddle.config import check_settings
from ernie_paddle.registry import load_plugins
from ernie_paddle.text.vocabulary import Vocabulary

TASKS = {
    "sentence_reordering": {"corpora": ["en"]},
    "discourse_relation": {"corpora": ["en"], "options": {"least_per_marker": 2}},
}
UNREAD = ("vocab.txt",)


@pytest.fixture(autouse=True)
def _small_work_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small corpus fill several files."""
    monkeypatch.setattr(store, "CHARACTERS_PER_WORK_ITEM", 600)
    monkeypatch.setattr(store, "WORK_ITEMS_PER_FILE", 2)
    monkeypatch.setattr(building, "WORK_ITEMS_PER_SHARD", 2)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> BuildSettings:
    folder = tmp_path_factory.mktemp("corpus")
    words = "sun rain wind snow river hill road town bird tree".split()
    random = np.random.default_rng(0)

    def sentence(first: str) -> str:
        return f"{first} the {' and the '.join(random.choice(words, 3))} met at noon."

    documents = ["\n".join(sentence(first) for first in ("Once", "However,", "Then", "But")) for _ in range(20)]
    (folder / "text.txt").write_text("\n\n".join(documents))
    character_vocabulary(folder).save(folder / "vocab.txt")
    corpus = {"path": str(folder / "text.txt"), "format": "text", "language": "en"}
    tree = {"vocab": str(folder / "vocab.txt"), "max_length": 300, "validation_share": 0.3, "corpora": {"en": corpus}}
    tree["spans"] = {"en": {"phrases": None}}
    return check_settings(BuildSettings, {**tree, "tasks": TASKS}, "settings")


def built(settings: BuildSettings, out: Path) -> dict[str, bytes]:
    """Build samples; return the content of all files."""
    build(settings, out, Processes(1), load_plugins())
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def interrupted(settings: BuildSettings, out: Path, record: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a build fail as soon as it has written a record of this name."""

    def write(path: Path, content: dict[str, object]) -> None:
        write_sealed(path, content)
        if path.name == record:
            raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        for module in (store, building):
            patch.setattr(module, "write_sealed", write)
        with pytest.raises(OSError, match="the power is gone"):
            built(settings, out)


def test_whatever_a_setting_changes_is_built_anew(
    settings: BuildSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build gives the same files in an empty folder, after another setting and after an interrupted build."""
    interrupted(settings, tmp_path / "annotating", "documents-00001.json", monkeypatch)
    interrupted(settings, tmp_path / "composing", "written.json", monkeypatch)
    built(settings, tmp_path / "whole")
    (corpus,) = settings.corpora.values()
    text = corpus.path.read_text()
    (tmp_path / "text.txt").write_text(text[: len(text) // 2] + "Here too.\n" + text[len(text) // 2 :])
    ids = Vocabulary.load(settings.vocab).ids
    Vocabulary({**ids, "a": ids["b"], "b": ids["a"]}).save(tmp_path / "vocab.txt")
    (tmp_path / "names.txt").write_text("the sun\n")
    gazetteer = {"en": {"gazetteers": [str(tmp_path / "names.txt")], "phrases": None}}
    two_segments = {"corpora": ["en"], "options": {"most_segments": 2}}
    for interruption, change in (
        ("composing", {"seed": 2}),
        ("composing", {"max_length": 140}),
        ("composing", {"validation_share": 0.4}),
        ("composing", {"tasks": {**TASKS, "sentence_reordering": two_segments}}),
        ("annotating", {"vocab": str(tmp_path / "vocab.txt")}),
        ("annotating", {"corpora": {"en": {**corpus.model_dump(mode="json"), "path": str(tmp_path / "text.txt")}}}),
        ("annotating", {"spans": gazetteer}),
    ):
        changed = check_settings(BuildSettings, settings.model_dump(mode="json") | change, "settings")
        expected = built(changed, tmp_path / "fresh")
        for left in (interruption, "whole"):
            again = tmp_path / f"{left} again"
            shutil.copytree(tmp_path / left, again)
            assert built(changed, again) == expected, (left, change)
            shutil.rmtree(again)
        shutil.rmtree(tmp_path / "fresh")


@pytest.mark.parametrize("record", ["documents-00001.json", "counted.json", "written.json", None])
def test_a_damaged_file_of_an_earlier_build_is_reported_and_made_again(
    settings: BuildSettings,
    tmp_path: Path,
    record: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, left, again = tmp_path / "whole", tmp_path / "left", tmp_path / "again"
    expected, random = built(settings, whole), np.random.default_rng(0)
    if record is None:
        shutil.copytree(whole, left)
    else:
        interrupted(settings, left, record, monkeypatch)
    files = [path.relative_to(left) for path in sorted(left.rglob("*")) if path.is_file()]
    # The records beside documents are of no use once `annotated.json` is there.
    read = [path for path in files if path.name not in UNREAD and "annotated/en/documents" not in str(path)[:-5]]
    read += [path for path in files if path.match("annotated/en/documents-*.arrow")]
    assert len(read) >= 3
    for number, path in enumerate(read):
        with damaged(left / path, random):
            shutil.copytree(left, again)
        if path.suffix == ".arrow" and number % 3 == 0:
            (again / path).unlink()
        capsys.readouterr()
        assert built(settings, again) == expected
        assert f"{path}: " in (said := capsys.readouterr().err) and "; made again" in said, path
        shutil.rmtree(again)
