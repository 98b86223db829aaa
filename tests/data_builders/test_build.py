"""Building: the same bytes for any number of workers, annotation done once, nothing half-written."""

from pathlib import Path

import pytest
from real_text_support import RealText

from data_builders.build import BuildResult, BuildSettings, build
from data_builders.workers import Processes
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS, Manifest
from ernie_paddle.registry import load_plugins


def build_again(real_text: RealText, out: Path, workers: int = 1, **changes: object) -> BuildResult:
    settings = check_settings(BuildSettings, {**real_text.settings, **changes}, "settings")
    with Processes(workers) as engine:
        return build(settings, out, engine, load_plugins())


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_shards_are_byte_identical_for_one_and_two_workers(real_text: RealText, tmp_path: Path) -> None:
    build_again(real_text, tmp_path, workers=2)
    assert bytes_of(tmp_path) == bytes_of(real_text.shards)


def test_another_seed_gives_other_samples_of_the_same_documents(real_text: RealText, tmp_path: Path) -> None:
    build_again(real_text, tmp_path, seed=2)
    ours, others = bytes_of(real_text.shards), bytes_of(tmp_path)
    assert ours["annotated/zh/documents-00000.arrow"] == others["annotated/zh/documents-00000.arrow"]
    assert ours["sentence_distance/train/shard-00000.arrow"] != others["sentence_distance/train/shard-00000.arrow"]


def test_annotated_documents_are_made_once_and_again_when_the_corpus_changes(
    real_text: RealText, tmp_path: Path
) -> None:
    corpus = tmp_path / "zh.txt"
    corpus.write_bytes(real_text.sources["zh"].path.read_bytes())
    out = tmp_path / "shards"
    changes = {
        "corpora": {"zh": {"path": str(corpus), "format": "titled_text", "language": "zh"}},
        "tasks": {"knowledge_masking": {"corpora": ["zh"]}},
    }
    annotated = out / "annotated" / "zh" / "documents-00000.arrow"
    build_again(real_text, out, **changes)
    first = annotated.stat().st_mtime_ns
    build_again(real_text, out, **changes, max_length=40)
    assert annotated.stat().st_mtime_ns == first
    assert Manifest.load(out / "knowledge_masking").max_length == 40
    with open(corpus, "a", encoding="utf-8") as file:
        file.write("\n\n又一篇\n又一篇新文章。它有两句话。")
    result = build_again(real_text, out, **changes)
    assert annotated.stat().st_mtime_ns > first
    assert result.corpora["zh"].counts.documents == real_text.result.corpora["zh"].counts.documents + 1


def test_exact_duplicates_are_dropped_and_counted(real_text: RealText, tmp_path: Path) -> None:
    corpus = tmp_path / "zh.txt"
    text = real_text.sources["zh"].path.read_text(encoding="utf-8")
    corpus.write_text(f"{text}\n\n{text}", encoding="utf-8")
    changes = {
        "corpora": {"zh": {"path": str(corpus), "format": "titled_text", "language": "zh"}},
        "tasks": {"knowledge_masking": {"corpora": ["zh"]}},
    }
    result = build_again(real_text, tmp_path / "shards", **changes)
    before, counts = real_text.result.corpora["zh"].counts, result.corpora["zh"].counts
    assert counts.documents == before.documents
    assert counts.noted["duplicate"] == before.records + before.noted.get("duplicate", 0)


def test_manifests_say_what_the_shards_were_made_from(real_text: RealText) -> None:
    for task in real_text.result.tasks:
        manifest = Manifest.load(real_text.shards / task)
        assert manifest.task == task and manifest.vocabulary_digest == real_text.vocabulary.digest
        assert manifest.origin["seed"] == 1
        assert {corpus["language"] for corpus in manifest.origin["corpora"].values()} == {"en", "zh"}
        assert ("capitalization" in manifest.carried) and ("span_codes" in manifest.carried)
        assert all(manifest.splits[split] for split in SPLITS)
