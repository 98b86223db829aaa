"""Packages of others add tasks, builders and token features, and touch nothing of ours. Broken ones are named."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from helpers import Run, assert_user_error, run_command
from pages import FILE, ROOT, Page
from real_text_support import RealText

from ernie_paddle.data.shards import Manifest, SampleTable, task_folders
from ernie_paddle.errors import UserError
from ernie_paddle.model.saved import checkpoints, load_tensors
from ernie_paddle.registry import Command, Registry, load_plugins
from ernie_paddle.task import SentenceClassificationObjective, Task
from ernie_paddle.testing import write_toy_model
from ernie_paddle.training.log_file import LOG_FILE, read_log


def install(folder: Path, plugin: str) -> dict[str, str]:
    """Lay a plug-in out as an installed distribution; the environment in which it is found."""
    info = folder / "eighth-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "eighth.py").write_text(plugin)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eighth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ernie_paddle.plugins]\neighth = eighth:register\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


# ---- the plug-ins of the guide ----

GUIDE = ROOT / "docs" / "guides" / "plugins.md"
STEPS = {"knowledge_masking": 40, "document_opening": 20, "part_of_speech": 200}


class Installed(NamedTuple):
    """Runs `ernie-paddle` with the plug-ins of the guide, which are in the folder `site`."""

    site: Path

    def __call__(self, *arguments: object) -> str:
        done = run_command(*arguments, site=self.site)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def ernie(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The packages that the guide shows, installed by pip."""
    folder = tmp_path_factory.mktemp("plugins")
    for block in Page.read(GUIDE).blocks:
        if block.mark.startswith(FILE):
            path = folder / block.mark.removeprefix(FILE)
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    site, options = folder / "site", ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    packages = [str(folder / name) for name in ("opening", "part_of_speech")]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), *packages]
    subprocess.run(command, check=True)
    return Installed(site)


@pytest.fixture(scope="module")
def built(ernie: Installed, real_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of masking, with part of speech as a feature, and of the two tasks of the guide."""
    folder = tmp_path_factory.mktemp("built")
    corpora: dict[str, Any] = {**real_text.settings, "tasks": {name: {"corpora": ["zh"]} for name in STEPS}}
    corpora["tasks"]["knowledge_masking"]["features"] = ["part_of_speech"]
    corpora["tasks"]["document_opening"]["corpora"] = ["zh", "en"]
    (folder / "corpora.yaml").write_text(yaml.safe_dump(corpora))
    ernie("build", "--corpora", folder / "corpora.yaml", "--out", folder / "shards", "--workers", "2")
    return folder / "shards"


@pytest.fixture(scope="module")
def trained(ernie: Installed, built: Path, real_text: RealText, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    model = write_toy_model(folder / "model.json", real_text.vocabulary.size, max_position_embeddings=96)
    tree = {
        "model": {"config": str(model)},
        "data": {"shards": str(built)},
        "plan": {"tasks": {name: {"steps": steps} for name, steps in STEPS.items()}},
        "train": {"batch_tokens": 1024, "learning_rate": {"peak": 0.01, "warmup_steps": 5}},
        "impl": {"logging_steps": 20, "save_steps": 100},
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    ernie("pretrain", folder / "plan.yaml", "--out", folder / "run")
    return folder


def test_tasks_of_plugins_are_listed_with_their_distribution(ernie: Installed) -> None:
    rows = {}
    for line in ernie("tasks").splitlines():
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if len(cells) == 9:
            rows[cells[1]] = cells
    columns = "bi_tags, span_kinds, capitalization"
    assert rows["part_of_speech"] == [
        "8",
        "part_of_speech",
        "token",
        "part_of_speech",
        "7",
        f"{columns}, part_of_speech",
        "part_of_speech_trans_fc, part_of_speech_fc",
        "zh",
        "part_of_speech 1.0",
    ]
    assert rows["document_opening"][2:6] == ["sentence", "label", "2", f"{columns}, label"]
    assert rows["document_opening"][-1] == "opening 1.0" and rows["sentence_distance"][-1].startswith("ernie-paddle")
    assert len(rows) == 9


@pytest.mark.slow
def test_the_parts_of_speech_of_samples_are_those_of_their_words(built: Path, real_text: RealText) -> None:
    """Recounted with jieba's dictionary: a word that has one tag there has that tag's class in most places."""
    table = SampleTable.open(built / "part_of_speech", "train")
    block = table.take(np.arange(len(table)))
    manifest = Manifest.load(built / "part_of_speech")
    declared = manifest.column("part_of_speech")
    assert declared is not None and declared.level == "token" and len(declared.labels) == 7
    tokens = block.columns["input_ids"]
    labels = block.columns["part_of_speech"]
    for word, expected in (("是", "verb"), ("我们", "pronoun"), ("不", "adverb"), ("和", "function")):
        ids = [real_text.vocabulary.ids[sign] for sign in word]
        begins = np.flatnonzero(
            np.all([np.roll(tokens, -i) == token for i, token in enumerate(ids)], axis=0)
            & (block.columns["bi_tags"] == 0)
        )
        own = labels[begins[np.append(block.columns["bi_tags"], 0)[begins + len(ids)] != 1]]
        assert len(own) > 20, word
        assert (own == declared.labels.index(expected)).mean() > 0.8, word
    manifests = map(Manifest.load, task_folders(built))
    assert [m.task for m in manifests if "part_of_speech" in m.label_columns] == ["knowledge_masking", "part_of_speech"]


@pytest.mark.slow
def test_tasks_of_plugins_are_learned_scored_and_reported(ernie: Installed, built: Path, trained: Path) -> None:
    records = read_log(trained / "run" / LOG_FILE)
    last = [record for record in records if record["event"] == "evaluation"][-1]["tasks"]
    assert set(last) == set(STEPS)
    score = last["part_of_speech"]
    assert score["accuracy"] > score["majority_accuracy"] + 0.1 and score["loss"] < score["unigram_loss"], score
    combinations = [record["combination"] for record in records if record["event"] == "program"]
    assert ["knowledge_masking", "part_of_speech"] in combinations, "an auxiliary task where samples carry its labels"
    assert ["document_opening", "knowledge_masking"] in combinations
    ernie("report", trained / "run", "--out", trained / "report.html")
    page = (trained / "report.html").read_text()
    assert all(name in page for name in STEPS)
    assert "part_of_speech" in ernie("baseline", built / "part_of_speech", "--run", trained / "run")
    shown = ernie("inspect", built / "part_of_speech", "--n", "2")
    assert "part_of_speech /0 noun, /1 verb" in shown and "/1|" in shown


@pytest.mark.slow
def test_a_run_with_a_plugin_resumes_bit_by_bit(ernie: Installed, trained: Path) -> None:
    copy = trained / "copy"
    shutil.copytree(trained / "run", copy)
    *_, before, last = sorted(copy.glob("step_*"), key=lambda path: int(path.name.removeprefix("step_")))
    shutil.rmtree(last)
    assert before.name != last.name
    ernie("pretrain", trained / "plan.yaml", "--out", copy, "--resume", "auto")
    assert (last / "model.safetensors").read_bytes() == (trained / "run" / last.name / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_run_is_continued_with_the_tasks_of_plugins_as_if_it_had_known_them(ernie: Installed, trained: Path) -> None:
    """What the strategy divides is written out for the run that knows all tasks from the beginning."""
    written = dict(zip(STEPS, ([6, 2, 2], [0, 5, 1], [0, 0, 4]), strict=True))
    divided = dict(zip(STEPS, (8, 6, 4), strict=True))
    fixed = ["--set", "train.learning_rate.schedule=constant", "impl.keep_checkpoints=9"]
    plan, straight, continued = trained / "plan.yaml", trained / "straight", trained / "continued"
    for out, strategy, steps, options in (
        (straight, "stages", written, []),
        (continued, "continual_multi_task", divided, ["--continue-from", straight / "step_6"]),
    ):
        tasks = [f"plan.tasks.{name}.steps={count}" for name, count in steps.items()]
        ernie("pretrain", plan, *fixed, f"plan.strategy={strategy}", *tasks, "--out", out, *options)
    ends = [load_tensors(run / "step_20" / "model.safetensors") for run in (straight, continued)]
    assert any("part_of_speech" in name for name in ends[0]) and ends[0].keys() == ends[1].keys()
    assert [name for name in ends[0] if ends[0][name].tobytes() != ends[1][name].tobytes()] == []
    assert not any("part_of_speech_fc" in name for name in load_tensors(continued / "step_13" / "model.safetensors"))


@pytest.mark.slow
def test_the_head_of_a_plugin_is_converted(ernie: Installed, trained: Path) -> None:
    ernie("convert", trained / "run", "--to", "release", "--out", trained / "release")
    ernie("convert", trained / "release", "--out", trained / "back")
    heads = {f"part_of_speech_{layer}.{end}" for layer in ("trans_fc", "fc") for end in ("w_0", "b_0")}
    expected, found = (load_tensors(folder / "model.safetensors") for folder in (newest_of(trained), trained / "back"))
    assert heads < found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)
    said = ernie("convert", trained / "run", "--to", "huggingface", "--out", trained / "huggingface")
    assert all(name in said for name in heads)


def newest_of(trained: Path) -> Path:
    return checkpoints(trained / "run")[-1]


# ---- broken plug-ins ----


def adding(catalog: str, name: str, entry: Any) -> Callable[[Registry], None]:
    """A plug-in that adds an entry to a catalog of the registry."""
    return lambda registry: getattr(registry, catalog).add(name, entry)


def with_row(name: str, task_id: int, head: str = "mine_out") -> Task:
    return Task(name, task_id, SentenceClassificationObjective(["no", "yes"], head=head))


def same_option_twice(parser: argparse.ArgumentParser) -> None:
    for _ in range(2):
        parser.add_argument("--out")


BROKEN: dict[str, tuple[str, list[str]]] = {
    "missing import": ("import no_such_module", ["ModuleNotFoundError", "no_such_module", "eighth.py line 1"]),
    "no register": ("", ["AttributeError", "register"]),
    "syntax": ("def register(registry) pass", ["SyntaxError", "line 1"]),
    "register without arguments": ("def register(): pass", ["TypeError", "register()"]),
    "not a command": ("def register(r): r.commands.add('x', 1)", ["AttributeError", "configure"]),
    "exit": ("import sys\nsys.exit('no')", ["SystemExit", "no", "eighth.py line 2"]),
    "name of ours": (
        "def register(r): r.metrics.add('accuracy', 1)",
        ["metric 'accuracy' is registered twice", "eighth.py line 1"],
    ),
}


@pytest.mark.parametrize(("plugin", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_with_its_distribution(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, words: list[str]
) -> None:
    install(tmp_path / "site", plugin)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "eighth", raising=False)
    origin = ["plug-in 'eighth' (eighth:register) of eighth 1.0 is broken", "pip uninstall eighth"]
    code, stderr = run("config", "configs/plans/quickstart.yaml")
    assert_user_error(code, stderr, *origin, *words)
    assert len(stderr.splitlines()) == 1
    for arguments in (["--help"], ["plan", "--help"], ["--version"]):
        code, stderr = run(*arguments)
        assert code == 0 and "eighth" in stderr and len(stderr.splitlines()) == 1
    with pytest.raises(UserError, match=r"of eighth 1\.0 is broken"):
        load_plugins()


def test_a_signal_during_an_import_stops_the_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries turn any exception of their imports into an ImportError."""
    stopping = "from ernie_paddle.stopping import Stopped\n"
    install(
        tmp_path / "site", stopping + "try:\n raise Stopped(2)\nexcept Stopped as stop:\n raise ImportError from stop"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "eighth", raising=False)
    code, stderr = run("config", "configs/plans/quickstart.yaml")
    assert code == 130 and "stopped by Ctrl-C" in stderr


def test_a_command_of_a_broken_plugin_is_not_only_unknown(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", "1 / 0")
    command = [sys.executable, "-m", "ernie_paddle", "eighth"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2 and done.stdout == ""
    first, second = done.stderr.splitlines()
    assert "eighth 1.0 is broken: ZeroDivisionError" in first and "invalid choice: 'eighth'" in second


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (
            adding("pretraining_tasks", "mine", with_row("mine", 4)),
            "'sentence_distance' and 'mine' have the same row of the task embedding, task id 4",
        ),
        (adding("pretraining_tasks", "capitalization", with_row("capitalization", 9)), "registered twice"),
        (
            adding("pretraining_tasks", "mine", with_row("mine", 9, head="sentence_distance_fc")),
            "'sentence_distance' and 'mine' have the same head, sentence_distance_fc",
        ),
        (
            adding("pretraining_tasks", "mine", with_row("other", 9)),
            "pre-training task 'other' is registered as 'mine'",
        ),
        (adding("commands", "mine", Command("mine", "", "", same_option_twice, print)), "conflicting option"),
    ],
    ids=["row of the task embedding", "name", "head", "other name", "option"],
)
def test_what_cannot_join_the_registry_leaves_it_as_it_was(plugin: Callable[[Registry], None], message: str) -> None:
    registry, untouched = load_plugins(), load_plugins()
    with pytest.raises(Exception, match=message):
        plugin(registry)
    assert registry.pretraining_tasks.names() == untouched.pretraining_tasks.names()
    assert registry.commands.names() == untouched.commands.names()
    adding("pretraining_tasks", "mine", with_row("mine", 7))(registry)
