"""Building: the same bytes for any number of workers, annotation done once, no incomplete files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import run_command
from real_text_support import RealText

from data_builders.annotation import store
from data_builders.build import BuildResult, build
from data_builders.corpora_config import BuildSettings
from data_builders.demo import peoples_daily
from data_builders.ray_engine import RayWorkers
from data_builders.workers import Processes
from ernie_paddle.cli import main
from ernie_paddle.config import check_settings
from ernie_paddle.data.shards import SPLITS, Manifest, SampleTable
from ernie_paddle.errors import UserError
from ernie_paddle.locks import locked_folder
from ernie_paddle.registry import load_plugins


def build_again(real_text: RealText, out: Path, workers: int = 1, **changes: object) -> BuildResult:
    settings = check_settings(BuildSettings, {**real_text.settings, **changes}, "settings")
    with Processes(workers) as engine:
        return build(settings, out, engine, load_plugins())


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_shards_are_byte_identical_for_any_engine(
    real_text: RealText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work items are small, so that there are more of them than workers; of these there are more than cores."""
    monkeypatch.setattr(store, "CHARACTERS_PER_WORK_ITEM", 10_000)
    settings = check_settings(BuildSettings, real_text.settings, "settings")
    engines: dict[str, Callable[[], Any]] = {"one": lambda: Processes(1), "three": lambda: Processes(3)}
    if find_spec("ray"):
        engines["ray"] = lambda: RayWorkers(2)
    for name, make in engines.items():
        with make() as engine:
            result = build(settings, tmp_path / name, engine, load_plugins())
        assert result.corpora["zh"].work_items > 5 and result.corpora["en"].work_items > 5
        assert bytes_of(tmp_path / name) == bytes_of(tmp_path / "one"), name


class Killed:
    """A build of a month of the People's Daily that can be killed while it runs."""

    def __init__(self, real_text: RealText, folder: Path):
        text, _ = peoples_daily.write(folder / "peoples_daily")
        assert text > 3000
        settings = {
            **real_text.settings,
            "corpora": {
                "zh": {
                    "path": str(folder / "peoples_daily" / "articles.txt"),
                    "format": "titled_text",
                    "language": "zh",
                }
            },
            "tasks": {task: {"corpora": ["zh"]} for task in ("sentence_distance", "discourse_relation")},
        }
        self.plan = folder / "corpora.yaml"
        self.plan.write_text(yaml.safe_dump(settings))

    def command(self, out: Path) -> list[str]:
        return ["build", "--corpora", str(self.plan), "--out", str(out), "--workers", "2"]

    def run(self, out: Path) -> None:
        """Run a build to its end."""
        assert run_command(*self.command(out)).returncode == 0

    def kill_when(self, out: Path, pattern: str) -> dict[Path, int]:
        """Kill a build and its workers when a file appears; return the finished data files and their times."""
        command = [sys.executable, "-m", "ernie_paddle", *self.command(out)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while not list(out.glob(pattern)):
            assert process.poll() is None, f"the build ended before there was {pattern}"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        whole = (file for file in out.rglob("*.arrow") if not file.name.startswith("."))
        return {file.relative_to(out): file.stat().st_mtime_ns for file in whole}


@pytest.mark.slow
def test_a_killed_build_resumes_with_its_finished_files(real_text: RealText, tmp_path: Path) -> None:
    build_killed = Killed(real_text, tmp_path)
    once, often = tmp_path / "once", tmp_path / "often"
    build_killed.run(once)
    survivors: dict[Path, int] = {}
    for pattern in (
        "annotated/.zh.partial/documents-00000.json",
        ".sentence_distance.partial/written.json",
        "sentence_distance/manifest.json",
    ):
        found = build_killed.kill_when(often, pattern)
        renamed = {
            Path(str(file).replace(".partial", "").replace("/.", "/").removeprefix(".")): t for file, t in found.items()
        }
        assert survivors.items() <= renamed.items(), "what was finished is not built again"
        survivors = renamed
    build_killed.run(often)
    assert {file: (often / file).stat().st_mtime_ns for file in survivors} == survivors and len(survivors) > 3
    assert bytes_of(often) == bytes_of(once)
    before = bytes_of(often).keys()
    build_killed.run(often)
    assert {file: (often / file).stat().st_mtime_ns for file in survivors} == survivors
    assert bytes_of(often).keys() == before


def test_two_builds_cannot_run_in_one_folder(real_text: RealText, tmp_path: Path) -> None:
    with locked_folder(tmp_path), pytest.raises(UserError, match="another process is at work here"):
        build_again(real_text, tmp_path)
    build_again(real_text, tmp_path, tasks={"knowledge_masking": {"corpora": ["zh"]}})


def test_changed_settings_are_built_again_and_unchanged_ones_are_not(real_text: RealText, tmp_path: Path) -> None:
    tasks = {"sentence_distance": {"corpora": ["zh"], "options": {"chunk_tokens": 20}}}
    shard = tmp_path / "sentence_distance" / "train" / "shard-00000.arrow"
    first = build_again(real_text, tmp_path, tasks=tasks)
    made = shard.stat().st_mtime_ns
    assert build_again(real_text, tmp_path, tasks=tasks).tasks == first.tasks
    assert shard.stat().st_mtime_ns == made
    tasks["sentence_distance"]["options"] = {"chunk_tokens": 24}
    assert build_again(real_text, tmp_path, tasks=tasks).tasks != first.tasks
    assert shard.stat().st_mtime_ns > made


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


@pytest.mark.slow
def test_words_and_names_that_a_corpus_does_not_contain_are_reported(
    real_text: RealText, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"zh": real_text.sources["zh"].documents(), "en": real_text.sources["en"].documents()}
    text = {language: next(iter(documents)).paragraphs[0] for language, documents in held.items()}
    words = text["en"].split()
    lists = {
        "zh": ["中国", text["zh"][:5] + "·无", "哈利·波特"],
        "en": [f"{words[0]} {words[1]}", words[2], "Xyz & Sons"],
    }
    for language, names in lists.items():
        (tmp_path / f"{language}.txt").write_text("\n".join(names), encoding="utf-8")
    plan = tmp_path / "plan.yaml"
    spans = {language: {"gazetteers": [str(tmp_path / f"{language}.txt")]} for language in lists}
    tasks = {"knowledge_masking": {"corpora": ["zh", "en"]}}
    plan.write_text(yaml.safe_dump(real_text.settings | {"spans": spans, "tasks": tasks}))
    for workers in ("1", "2"):
        main(["build", "--corpora", str(plan), "--out", str(tmp_path / workers), "--workers", workers])
        said = capsys.readouterr().out
        not_found = "words and names of dictionaries and gazetteers were not found"
        assert f"zh: 2 of 3 {not_found} ({', '.join(sorted(lists['zh'][1:]))})" in said
        assert f"en: 1 of 3 {not_found} (Xyz & Sons)" in said
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")


def test_manifests_record_the_origin_of_the_shards(real_text: RealText) -> None:
    for task in real_text.result.tasks:
        manifest = Manifest.load(real_text.shards / task)
        assert manifest.task == task and manifest.vocabulary_digest == real_text.vocabulary.digest
        builder = load_plugins().sample_builders.get(task)
        options = real_text.settings["tasks"][task]["options"]
        assert manifest.origin == {
            "builder_version": builder.version,
            "options": builder.Options(**options).model_dump(mode="json"),
            "seed": 1,
            "validation_share": 0.2,
            "corpora": {name: corpus.origin for name, corpus in real_text.result.corpora.items()},
        }
        assert manifest.origin["corpora"]["zh"]["language"] == "zh" and manifest.max_length == 96
        assert {"bi_tags", "span_kinds", "capitalization"} <= manifest.label_columns
        assert all(manifest.splits[split] for split in SPLITS)


def test_samples_stand_corpus_by_corpus_as_the_manifest_says(
    real_text: RealText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which corpus a sample is of, its Chinese characters tell. Of each corpus there are many work items and files."""
    monkeypatch.setattr(store, "CHARACTERS_PER_WORK_ITEM", 10_000)
    monkeypatch.setattr("data_builders.build.WORK_ITEMS_PER_SHARD", 2)
    tasks = {"sentence_distance": {"corpora": ["en", "zh"]}}
    assert build_again(real_text, tmp_path, tasks=tasks).corpora["zh"].work_items > 5
    ids = real_text.vocabulary.ids
    is_chinese = np.array([token >= "一" for token in sorted(ids, key=ids.__getitem__)])
    manifest = Manifest.load(tmp_path / "sentence_distance")
    for split in SPLITS:
        table = SampleTable.open(tmp_path / "sentence_distance", split)
        block, ends = table.take(np.arange(len(table))), np.cumsum(table.lengths)
        shares = np.add.reduceat(is_chinese[block.columns["input_ids"]], ends - table.lengths) / table.lengths
        names = ["zh" if share > 0.4 else "en" for share in shares]
        counts = manifest.samples_by_corpus(split)
        assert list(counts) == ["en", "zh"] and min(counts.values()) > 0
        assert names == [name for name, count in counts.items() for _ in range(count)]
        for corpus in manifest.corpora[split]:
            assert corpus.tokens == sum(table.lengths[np.array(names) == corpus.name])


def test_an_optional_task_without_samples_is_left_out_with_a_reason(real_text: RealText, tmp_path: Path) -> None:
    """The samples of an earlier build with other options are removed. Without `optional`, it is an error."""
    corpora = {"zh": real_text.settings["corpora"]["zh"]}
    task: dict[str, Any] = {"corpora": ["zh"], "optional": True}
    found = build_again(real_text, tmp_path, corpora=corpora, tasks={"discourse_relation": _with_least(task, 1)})
    assert [*found.tasks] == ["discourse_relation"] and found.without_samples == {}
    rare = _with_least(task, 10**6)
    result = build_again(
        real_text,
        tmp_path,
        corpora=corpora,
        tasks={"discourse_relation": rare, "knowledge_masking": {"corpora": ["zh"]}},
    )
    assert [*result.tasks] == ["knowledge_masking"]
    assert "no marker has 1000000 training pairs" in result.without_samples["discourse_relation"]
    assert not (tmp_path / "discourse_relation").exists()
    with pytest.raises(UserError, match="no marker has 1000000"):
        build_again(real_text, tmp_path, corpora=corpora, tasks={"discourse_relation": {**rare, "optional": False}})


def _with_least(task: dict[str, Any], least: int) -> dict[str, Any]:
    return {**task, "options": {"least_per_marker": least}}
