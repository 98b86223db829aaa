"""What `ernie-paddle plan` says of a run before it starts, and the plans that come with the project."""

from math import prod
from pathlib import Path
from typing import Any

import pytest
from helpers import assert_user_error, run_command
from programs_support import session_for

from data_builders.corpora_config import BuildSettings
from ernie_paddle.commands.plan import requirements_table
from ernie_paddle.config import check_settings, load_settings, read_config
from ernie_paddle.data.shards import Manifest
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.plan import stage_plan
from ernie_paddle.pretraining.requirements import Requirements, parameter_count, requirements
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings, ImplSettings

ROOT = Path(__file__).parents[3]
PLANS = sorted((ROOT / "configs/plans").glob("*.yaml"))
BATCH_OF_THE_PAPER = 393_216


def test_parameters_are_those_of_the_programs() -> None:
    session, tasks = session_for(AdamSettings(), "knowledge_masking", "sentence_distance")
    shapes = session.parameter_shapes(tasks)
    heads = [name for name in shapes if name.startswith("sentence_distance_fc")]
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    assert parameter_count(session.config) == sum(sizes.values()) - sum(sizes[name] for name in heads)


def test_the_released_sizes_have_the_parameters_that_are_known_of_them() -> None:
    for name, millions in {"base_en": 110.1, "large_en": 336.2, "large_zh": 318.1}.items():
        config = ErnieConfig.load(ROOT / f"configs/models/ernie_2.0_{name}.json")
        assert parameter_count(config.model_copy(update={"use_task_id": False})) / 1e6 == pytest.approx(
            millions, abs=0.1
        )


MODELS = ROOT / "configs/models"


def settings_of(
    train: dict[str, Any], model: str = "quickstart", shards: Path = Path("nowhere"), **tasks: Any
) -> PretrainSettings:
    tree = {
        "model": {"config": str(MODELS / f"{model}.json")},
        "data": {"shards": str(shards)},
        "plan": {"tasks": tasks or {"t": {"steps": 5}}},
        "train": {"learning_rate": {"peak": 1e-3}, **train},
    }
    return check_settings(PretrainSettings, tree, "plan")


def needed_by(settings: PretrainSettings, devices: int = 1) -> Requirements:
    return requirements(ErnieConfig.load(settings.model.config), stage_plan(settings.plan), settings, devices)


def test_samples_are_counted_where_they_are_built(toy_shards: Path) -> None:
    tasks = {"knowledge_masking": {"steps": 60}, "unknown": {"steps": 5}}
    wanted = needed_by(settings_of({"batch_samples": 8, "accumulation": 3}, shards=toy_shards, **tasks), devices=2)
    assert set(wanted.tasks) == {"knowledge_masking"}
    assert wanted.tasks["knowledge_masking"].samples_needed == 60 * 3 * 8
    assert wanted.tasks["knowledge_masking"].epochs == 60 * 3 * 8 / 96
    assert wanted.per_device == (1, 2)
    assert (wanted.steps, wanted.micro_batch_tokens, wanted.step_tokens) == (65, 8 * 32, 3 * 8 * 32)
    by_tokens = {"batch_tokens": 64, "accumulation": 3}
    found = needed_by(settings_of(by_tokens, shards=toy_shards, knowledge_masking={"steps": 10}), devices=3)
    manifest = Manifest.load(toy_shards / "knowledge_masking")
    mean = manifest.count("train", "tokens") / 96
    assert found.tasks["knowledge_masking"].samples_needed == round(10 * 3 * 64 / mean)
    assert found.per_device == (1, 1) and found.micro_batch_tokens == 64


def test_memory_is_what_a_training_step_keeps() -> None:
    """A parameter takes four floats, and a copy for products in bf16. A token takes what each layer's gradients read
    (13 vectors, 3 of the inner size, and 3 rows of each head's weights), and of 15 % of them 3 rows of scores.
    """
    config = ErnieConfig.load(MODELS / "ernie_2.0_base_en.json")
    for precision, per_parameter, width in (("fp32", 16, 4), ("bf16", 18, 2)):
        found = needed_by(settings_of({"batch_tokens": 4096, "precision": precision}, "ernie_2.0_base_en"))
        assert found.parameters == parameter_count(config) and found.state_bytes == per_parameter * found.parameters
        layer = 13 * 768 + 3 * 3072 + 3 * 12 * 512
        expected = 4096 * (12 * layer * width + 3 * 0.15 * config.vocab_size * 4)
        assert found.activation_bytes == pytest.approx(expected, rel=1e-6)


def test_flash_attention_keeps_no_weights() -> None:
    train = {"batch_tokens": 4096, "precision": "bf16"}
    found = {}
    for attention in ("flash", "automatic", "padded"):
        settings = settings_of(train, "ernie_2.0_base_en").model_copy(
            update={"impl": ImplSettings(attention=attention)}
        )
        found[attention] = needed_by(settings).activation_bytes
    assert found["automatic"] == found["padded"], "what this machine has does not matter"
    assert found["padded"] - found["flash"] == 4096 * 12 * 3 * 12 * 512 * 2


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_every_plan_is_complete(path: Path) -> None:
    settings = load_settings(PretrainSettings, path, [])
    registry = load_plugins()
    for task in settings.plan.tasks:
        registry.pretraining_tasks.get(task, str(path))
    config = ErnieConfig.load(ROOT / settings.model.config)
    corpora = ROOT / "configs/corpora" / f"{settings.data.shards.parts[1]}.yaml"
    built = load_settings(BuildSettings, corpora, [])
    assert built.max_length <= config.max_position_embeddings
    assert set(settings.plan.tasks) <= set(built.tasks)
    if not path.stem.startswith("quickstart"):
        assert settings.train.accumulation * (settings.train.batch_tokens or 0) == BATCH_OF_THE_PAPER


def test_the_plans_of_the_ablation_differ_in_their_strategy_alone() -> None:
    trees = {path.stem: read_config(path)[0] for path in PLANS if path.stem.startswith("ablation_")}
    assert {name.removeprefix("ablation_") for name in trees} == {t["plan"].pop("strategy") for t in trees.values()}
    assert len(trees) == 3 and all(tree == trees["ablation_sequential"] for tree in trees.values())
    assert trees["ablation_sequential"]["plan"]["auxiliary_tasks"] == [], "masking in its own steps only"


def test_small_and_large_memory_have_fitting_units() -> None:
    shown = {}
    for name in ("quickstart", "ernie_2.0_large_en"):
        needed = needed_by(settings_of({"batch_tokens": 128}, name))
        table = requirements_table(needed, "fp32", 1)
        shown[name] = dict(zip(*(list(column.cells) for column in table.columns), strict=True))
        assert shown[name]["parameters"] == f"{needed.parameters:,}"
    memory = {name: cells["parameters, gradients, moments"] for name, cells in shown.items()}
    assert memory["quickstart"].endswith(" MB per device") and float(memory["quickstart"].split()[0]) > 1
    assert memory["ernie_2.0_large_en"].startswith("5.4 GB")


def test_the_plan_command_tells_what_each_device_gets() -> None:
    plan = ROOT / "configs/plans/ernie2_base_en.yaml"
    said = run_command("plan", plan, "--devices", 5, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    assert "393,216" in said.stdout and "4 or 5" in said.stdout and "cannot share" in said.stdout
    none = run_command("plan", plan, "--devices", 0, cwd=ROOT)
    assert_user_error(none.returncode, none.stderr, "--devices")
