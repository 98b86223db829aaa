"""Heads of all kinds: what is dropped before them in training."""

from programs_support import session_for

from ernie_paddle.kind import Signature
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task

CONFIG = session_for(AdamSettings())[0].config.model_copy(
    update={"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}
)


def test_dropout_of_the_models_rate_stands_before_every_head() -> None:
    """As in the release's classifier, `mrc.py` and `sequence_label.py`; masked language modelling has none."""
    registry = load_plugins()
    of_encoder = len(build_task_program(CONFIG, [registry.pretraining_tasks.get("knowledge_masking")], True).masks)
    for kind in registry.finetuning_tasks:
        signature = Signature(task=kind.name, max_length=8, labels=("a", "b") if kind.has_labels else None)
        masks = build_task_program(CONFIG, [Task(kind.name, 0, kind.objective(signature))], True).masks
        assert len(masks) == of_encoder + 1, kind.name
        assert (masks[-1].rate, masks[-1].sizes[-1]) == (0.3, 8), kind.name
