"""Somebody's own package adds a task, builder and samples, and touches nothing of ours. A broken one is named."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import Run, assert_user_error
from real_text_support import RealText

from ernie_paddle.errors import UserError
from ernie_paddle.registry import Command, Registry, load_plugins
from ernie_paddle.task import SentenceClassificationObjective, Task
from ernie_paddle.testing import write_toy_model
from ernie_paddle.training.log_file import LOG_FILE, read_log

PLUGIN = '''
"""An eighth task: which language is the text in?"""

from typing import ClassVar

from data_builders.builders.builder import SampleDraft
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from ernie_paddle.task import SentenceClassificationObjective, Task


class TextLanguageBuilder(KnowledgeMaskingBuilder):
    name: ClassVar[str] = "text_language"
    labels: ClassVar[tuple[str, ...]] = ("en", "zh")

    def of_document(self, document, pool, random):
        chinese = (document.columns.of("capitalization") == -1).mean() > 0.9
        return [SampleDraft(draft.segments, int(chinese)) for draft in super().of_document(document, pool, random)]


def register(registry):
    registry.sample_builders.add("text_language", TextLanguageBuilder)
    objective = SentenceClassificationObjective(["en", "zh"], head="text_language_out")
    registry.pretraining_tasks.add("text_language", Task("text_language", 7, objective))
'''


def install(folder: Path, plugin: str) -> dict[str, str]:
    """Lay a plug-in out as an installed distribution; the environment in which it is found."""
    info = folder / "eighth-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "eighth.py").write_text(plugin)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eighth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ernie_paddle.plugins]\neighth = eighth:register\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_plugin_adds_an_eighth_task_that_is_built_and_learned(
    real_text: RealText, write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    site, shards, run = tmp_path / "site", tmp_path / "shards", tmp_path / "run"
    environment = install(site, PLUGIN)
    corpora: dict[str, Any] = {**real_text.settings, "tasks": {}}
    for task in ("knowledge_masking", "text_language"):
        corpora["tasks"][task] = {"corpora": ["zh", "en"]}
    corpora_config = tmp_path / "corpora.yaml"
    corpora_config.write_text(yaml.safe_dump(corpora))
    tasks = {"knowledge_masking": {"steps": 3}, "text_language": {"steps": 150}}
    model = write_toy_model(tmp_path / "model.json", real_text.vocabulary.size, max_position_embeddings=96)
    plan = write_plan(model={"config": str(model)}, data={"shards": str(shards)}, plan={"tasks": tasks})
    for arguments in (
        ["build", "--plan", corpora_config, "--out", shards],
        ["pretrain", plan, "--out", run, "--set", "train.batch_tokens=1024"],
    ):
        command = [sys.executable, "-m", "ernie_paddle", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    last = [record for record in read_log(run / LOG_FILE) if record["event"] == "evaluation"][-1]
    score = last["tasks"]["text_language"]
    assert score["loss"] < score["unigram_loss"], score


def adding(catalog: str, name: str, entry: Any) -> Callable[[Registry], None]:
    """A plug-in that adds an entry to a catalog of the registry."""
    return lambda registry: getattr(registry, catalog).add(name, entry)


def with_row(name: str, task_id: int) -> Task:
    return Task(name, task_id, SentenceClassificationObjective(["no", "yes"], head=f"{name}_out"))


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
        (adding("commands", "mine", Command("mine", "", "", same_option_twice, print)), "conflicting option"),
    ],
    ids=["row of the task embedding", "name", "option"],
)
def test_what_cannot_join_the_registry_leaves_it_as_it_was(plugin: Callable[[Registry], None], message: str) -> None:
    registry, untouched = load_plugins(), load_plugins()
    with pytest.raises(Exception, match=message):
        plugin(registry)
    assert registry.pretraining_tasks.names() == untouched.pretraining_tasks.names()
    assert registry.commands.names() == untouched.commands.names()
    adding("pretraining_tasks", "mine", with_row("mine", 7))(registry)
