"""The seven pre-training tasks have the rows, heads and classes of the release and of the paper's section 4.2."""

import pytest

from data_builders.builders.capitalization import CapitalizationBuilder
from data_builders.builders.ir_relevance import LABELS as RELEVANCE
from data_builders.builders.sentence_distance import LABELS as DISTANCE
from ernie_paddle.registry import load_plugins
from ernie_paddle.task import SentenceClassificationObjective, TokenClassificationObjective
from tasks.pretraining.sentence_distance import LABELS

# Row of the task embedding, level of the loss and number of classes, where the task fixes them.
TASKS = {
    "knowledge_masking": (0, "token", None),
    "capitalization": (1, "token", 2),
    "token_document_relation": (2, "token", 2),
    "sentence_reordering": (3, "sentence", None),
    "sentence_distance": (4, "sentence", 3),
    "discourse_relation": (5, "sentence", None),
    "ir_relevance": (6, "sentence", None),
}


@pytest.mark.parametrize("name", TASKS)
def test_ids_levels_and_classes(name: str) -> None:
    task = load_plugins().pretraining_tasks.get(name)
    level = task.objective.level
    assert (task.task_id, level, task.objective.labels and len(task.objective.labels)) == TASKS[name]
    assert task.always_auxiliary == (name == "knowledge_masking"), "masking is auxiliary to every later task"
    if isinstance(task.objective, SentenceClassificationObjective | TokenClassificationObjective):
        assert task.objective.head == f"{name}_fc", "as the release names heads"
    assert load_plugins().sample_builders.get(name).name == name


def test_no_task_is_missing() -> None:
    assert {task.name for task in load_plugins().pretraining_tasks} == set(TASKS)


def test_labels_mean_the_same_to_tasks_and_builders() -> None:
    """0 is adjacent, 1 the same document, 2 another one; 1 is capitalised; 0 is the clicked title, 2 a random one."""
    assert LABELS == DISTANCE and [name.split()[0] for name in DISTANCE] == ["adjacent", "same", "different"]
    assert [name.split(",")[0] for name in RELEVANCE] == ["clicked", "shown", "random"]
    tasks = load_plugins().pretraining_tasks
    columns = {name: tasks.get(name).objective.column.name for name in ("capitalization", "token_document_relation")}
    assert columns == {"capitalization": CapitalizationBuilder.name, "token_document_relation": "token_document"}
    assert tasks.get("capitalization").objective.labels == ("lower-case", "capitalized")
    assert tasks.get("token_document_relation").objective.labels == ("here only", "elsewhere too")
