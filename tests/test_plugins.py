"""Somebody's own package adds a task, builder and samples, and touches nothing of ours."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from helpers import write_model
from real_text_support import RealText

from ernie_paddle.training.log_file import LOG_FILE, read_log

PLUGIN = '''
"""An eighth task: which language is the text in?"""

from typing import ClassVar

from data_builders.builders.builder import SampleDraft
from data_builders.builders.knowledge_masking import KnowledgeMaskingBuilder
from ernie_paddle.task import SentenceClassificationObjective, Task


class TextLanguageBuilder(KnowledgeMaskingBuilder):
    name: ClassVar[str] = "text_language"

    def of_document(self, document, pool, random):
        chinese = (document.columns.of("capitalization") == -1).mean() > 0.9
        return [SampleDraft(draft.segments, int(chinese)) for draft in super().of_document(document, pool, random)]


def register(registry):
    registry.sample_builders.add("text_language", TextLanguageBuilder)
    objective = SentenceClassificationObjective(["en", "zh"], head="text_language_out")
    registry.pretraining_tasks.add("text_language", Task("text_language", 7, objective))
'''


def install(folder: Path) -> dict[str, str]:
    """Lay the plug-in out as an installed distribution; the environment in which it is found."""
    (folder / "eighth.py").write_text(PLUGIN)
    info = folder / "eighth-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eighth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ernie_paddle.plugins]\neighth = eighth:register\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_plugin_adds_an_eighth_task_that_is_built_and_learned(
    real_text: RealText, write_plan: Callable[..., Path], tmp_path: Path
) -> None:
    site, shards, run = tmp_path / "site", tmp_path / "shards", tmp_path / "run"
    site.mkdir()
    environment = install(site)
    corpora: dict[str, Any] = {**real_text.settings, "tasks": {}}
    for task in ("knowledge_masking", "text_language"):
        corpora["tasks"][task] = {"corpora": ["zh", "en"]}
    corpora_config = tmp_path / "corpora.yaml"
    corpora_config.write_text(yaml.safe_dump(corpora))
    tasks = {"knowledge_masking": {"steps": 3}, "text_language": {"steps": 150}}
    model = write_model(tmp_path / "model.json", real_text.vocabulary.size, max_position_embeddings=96)
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
