"""Heads of all kinds: the losses they are trained on, written out in numpy, and what is dropped before them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from programs_support import cpu, gpu, gpu_with_flash, hidden_states, joined
from small_models import vocabulary_of

from ernie_paddle.data.batch import Batch
from ernie_paddle.finetuning_task import FinetuningTask, Signature
from ernie_paddle.inference.heads import TaskHead
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.inference_program import InferenceProgram
from ernie_paddle.programs.session import Session
from ernie_paddle.programs.task_program import build_task_program
from ernie_paddle.programs.variables import GRADIENT_SUFFIX
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.task import Task
from tasks.finetuning.reading.examples import (
    Answer,
    ChoiceExample,
    ClozeExample,
    QuestionExample,
    ReferenceExample,
    Span,
    TaggedExample,
    TextExample,
)

LETTERS = "甲乙丙丁戊己庚辛abc_[]"
VOCABULARY = vocabulary_of(LETTERS)
CONFIG = ErnieConfig(
    vocab_size=VOCABULARY.size,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    hidden_act="gelu",
    max_position_embeddings=32,
    hidden_dropout_prob=0.3,
    attention_probs_dropout_prob=0.2,
    initializer_range=0.5,
)
Rows = Sequence[np.ndarray]


@dataclass(frozen=True)
class Case:
    """Examples of a task, the gold labels of their samples, the number of these labels, and the head's size."""

    examples: Sequence[Any]
    gold: Sequence[Any]
    labelled: int
    head: str
    outputs: int
    labels: tuple[str, ...] | None = None


NUMBERS = [0.4 * i - 6 for i in range(30)]  # some are near what any parameters answer


def text(label: str | float | None, first: str = "甲", second: str | None = None) -> TextExample:
    return TextExample("", "", first, second, label)


def choice(example_type: type[ChoiceExample | ClozeExample], choices: str, answer: int | None) -> Any:
    if example_type is ChoiceExample:
        return ChoiceExample(choices, "", "甲乙丙丁", "戊", tuple(choices), answer)
    return ClozeExample(f"#idiom{len(choices)}#", "", "甲乙", "丙", tuple(choices), answer, choices, 0)


# Samples of several lengths and numbers of choices: what is padded must not count.
CASES = {
    "classification": Case(
        [text("z", "甲乙丙", "丁"), text("x"), text(None, "乙")], [2, 0, -1], 2, "cls_out", 3, ("x", "y", "z")
    ),
    "regression": Case([text(4.5, "甲乙丙", "丁"), *map(text, NUMBERS)], [4.5, *NUMBERS], 31, "cls_out", 1),
    "sequence_labelling": Case(
        [TaggedExample("0", "", ("甲", "ab", "乙"), ("B-X", "B-X", "O")), TaggedExample("1", "", ("丙",), None)],
        [[-1, 0, 0, 1, 2, -1], [-1, -1, -1]],
        4,
        "cls_seq_label_out",
        3,
        ("B-X", "I-X", "O"),
    ),
    "reading_comprehension": Case(
        [
            QuestionExample("0", "", "甲乙", "丙丁戊己庚", (Answer("丁戊己", 1),)),
            QuestionExample("1", "", "甲", "丙丁戊己庚辛甲乙丙", (Answer("不", None),)),
        ],
        [(5, 7), (0, 0)],
        2,
        "cls_mrc_out",
        2,
    ),
    "multiple_choice": Case(
        [choice(ChoiceExample, "己庚", 1), choice(ChoiceExample, "己庚辛甲", 2), choice(ChoiceExample, "己庚辛", None)],
        [1, 2, -1],
        2,
        "cls_out",
        1,
    ),
    "cloze": Case([choice(ClozeExample, "己庚辛", 0), choice(ClozeExample, "庚辛", 1)], [0, 1], 2, "cls_out", 1),
    "pronoun_resolution": Case(
        [ReferenceExample("0", "", "甲见乙", Span("甲", 0), Span("乙", 2), "y")], [1], 1, "cls_out", 2, ("x", "y")
    ),
}


def signature_of(finetuning_task: FinetuningTask) -> Signature:
    options = {"stride": 8, "max_question_length": 4} if finetuning_task.name == "reading_comprehension" else {}
    return Signature(
        task=finetuning_task.name, max_length=24, labels=CASES[finetuning_task.name].labels, options=options
    )


# ---- losses in numpy ----


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


def cross_entropy(scores: np.ndarray, label: int) -> np.ndarray:
    """Return the loss, and 1 for a correct prediction; both are 0 without a label."""
    return np.array([-np.log(softmax(scores)[label]), scores.argmax() == label], float) * (label >= 0)


def loss_and_right(task: str, logits: Rows, gold: Sequence[Any]) -> np.ndarray:
    """Return the summed loss and the number of correct predictions; `logits` are [sequences or tokens, outputs]."""
    total = np.zeros(2)
    for rows, wanted in zip(logits, gold, strict=True):
        if task == "regression":
            difference = abs(rows[0, 0] - wanted)
            total += difference**2, difference <= 0.5
        elif task == "sequence_labelling":
            total += sum(cross_entropy(row, tag) for row, tag in zip(rows, wanted, strict=True))
        elif task == "reading_comprehension":
            total += (cross_entropy(rows[:, 0], wanted[0]) + cross_entropy(rows[:, 1], wanted[1])) / 2
        else:
            total += cross_entropy(rows[:, 0] if len(rows) > 1 else rows[0], wanted)
    return total


@pytest.mark.parametrize(
    "finetuning_task", list(load_plugins().finetuning_tasks), ids=lambda finetuning_task: finetuning_task.name
)
def test_loss_correct_predictions_and_scores_are_those_of_a_head_written_out_in_numpy(
    finetuning_task: FinetuningTask,
) -> None:
    case, signature, random = CASES[finetuning_task.name], signature_of(finetuning_task), np.random.default_rng(5)
    task = Task(finetuning_task.name, 0, finetuning_task.objective(signature))
    batch = Batch.of(
        finetuning_task.encode(case.examples, VOCABULARY, signature).samples, np.arange(len(case.examples))
    )
    labels = task.objective.label(batch, VOCABULARY, key=1)
    session = Session(CONFIG, 3, AdamSettings(), Cpu())
    session.parameter_shapes([task])
    p = {name: random.normal(0, 1, value.shape).astype(np.float32) for name, value in session.parameters().items()}
    assert (p[f"{case.head}.w_0"].shape, p[f"{case.head}.b_0"].shape) == ((8, case.outputs), (case.outputs,))
    session.set_parameters(p)

    ids, sentences = (np.zeros((len(batch.lengths), 24), np.int64) for _ in range(2))
    for row, (begin, length) in enumerate(zip(batch.first_tokens, batch.lengths, strict=True)):
        ids[row, :length] = batch.columns["input_ids"][begin : begin + length]
        sentences[row, :length] = batch.columns["sentence_ids"][begin : begin + length]
    states = hidden_states(CONFIG, p, ids, sentences, 0, VOCABULARY.pad_id)
    if task.objective.level == "token":
        read = [row[:length] for row, length in zip(states, batch.lengths, strict=True)]
    else:
        pooled = np.tanh(states[:, 0] @ p["pooled_fc.w_0"] + p["pooled_fc.b_0"])
        read = np.split(pooled, np.cumsum(batch.sequences)[:-1])
    logits = [rows @ p[f"{case.head}.w_0"] + p[f"{case.head}.b_0"] for rows in read]

    metrics, scores = session.scores(task, joined(batch, {task.name: labels}))
    np.testing.assert_allclose(metrics, loss_and_right(finetuning_task.name, logits, case.gold), rtol=1e-4)
    assert (labels.classes >= 0).sum() == case.labelled
    expected = np.concatenate([softmax(rows) if case.labels else rows for rows in logits])
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    exported = InferenceProgram(CONFIG, TaskHead(task.objective), 0, VOCABULARY, p)
    (alone,) = exported.run({"input_ids": ids, "sentence_ids": sentences})
    np.testing.assert_allclose(alone[ids != 0] if alone.ndim == 3 else alone, expected, atol=1e-4)


@pytest.mark.parametrize(
    "finetuning_task", list(load_plugins().finetuning_tasks), ids=lambda finetuning_task: finetuning_task.name
)
def test_gradients_on_cpus_are_those_of_the_programs_of_gpus(finetuning_task: FinetuningTask) -> None:
    """GPUs have other operators, which run without oneDNN here."""
    case, signature = CASES[finetuning_task.name], signature_of(finetuning_task)
    task = Task(finetuning_task.name, 0, finetuning_task.objective(signature))
    samples = finetuning_task.encode(case.examples, VOCABULARY, signature).samples
    batch = Batch.of(samples, np.arange(len(case.examples)))
    feed = joined(batch, {task.name: task.objective.label(batch, VOCABULARY, key=1)})
    config = CONFIG.model_copy(update={"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    gradients = []
    for make in (cpu, gpu, gpu_with_flash):
        session = Session(config, 3, AdamSettings(), make())
        session.add_gradients((task,), session.stage((task,), feed), np.ones(1, np.float32), dropout_key=1)
        names = session.parameters()
        gradients.append({name: session.variables.get(name + GRADIENT_SUFFIX) for name in names})
    largest = max(abs(value).max() for value in gradients[0].values())
    for name, value in gradients[0].items():
        for other in gradients[1:]:
            np.testing.assert_allclose(other[name], value, rtol=1e-3, atol=1e-5 * largest, err_msg=name)


def test_dropout_of_the_models_rate_stands_before_every_head() -> None:
    """As in the release's classifier, `mrc.py` and `sequence_label.py`; masked language modelling has none."""
    registry = load_plugins()
    masking = registry.pretraining_tasks.get("knowledge_masking")
    of_encoder = len(build_task_program(CONFIG, [masking], True, Cpu()).masks)
    for finetuning_task in registry.finetuning_tasks:
        task = Task(finetuning_task.name, 0, finetuning_task.objective(signature_of(finetuning_task)))
        masks = build_task_program(CONFIG, [task], True, Cpu()).masks
        assert len(masks) == of_encoder + 1, finetuning_task.name
        assert (masks[-1].rate, masks[-1].sizes[-1]) == (0.3, 8), finetuning_task.name
