"""The sizes and plans that are shipped, against the release's files and the paper's sections 4.1 and 4.2."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import released

from data_builders.corpora_config import BuildSettings
from ernie_paddle.config import load_settings
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.settings import PretrainSettings

CONFIGS = Path(__file__).parents[2] / "configs"
# Layers, hidden size, heads, activation, entries and positions: the release, and PaddleNLP for the Chinese 2.0.
SIZES: dict[str, tuple[Any, ...]] = {
    "base_en": (12, 768, 12, "gelu", 30522, 512),
    "large_en": (24, 1024, 16, "gelu", 30522, 512),
    "base_zh": (12, 768, 12, "relu", 18000, 513),
    "large_zh": (24, 1024, 16, "relu", 12800, 512),
}
# The paper's tasks of each language in the order in which they are introduced.
TASKS = {
    "en": [
        "knowledge_masking",
        "capitalization",
        "token_document_relation",
        "sentence_reordering",
        "discourse_relation",
    ],
    "zh": ["knowledge_masking", "sentence_reordering", "sentence_distance", "discourse_relation", "ir_relevance"],
}
PEAKS = {"en": 5e-5, "zh": 1.28e-4}


def plan_named(name: str) -> PretrainSettings:
    return load_settings(PretrainSettings, CONFIGS / "plans" / f"{name}.yaml", [])


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones_with_a_task_embedding(name: str) -> None:
    config = ErnieConfig.load(CONFIGS / "models" / f"ernie_2.0_{name}.json")
    layers, hidden, heads, activation, entries, positions = SIZES[name]
    assert config == ErnieConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        hidden_act=activation,
        vocab_size=entries,
        max_position_embeddings=positions,
        intermediate_size=None,
        sent_type_vocab_size=4,
        task_type_vocab_size=16,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        initializer_range=0.02,
        layer_norm_epsilon=1e-5,
        use_task_id=True,
    )
    assert config.ffn_size == {768: 3072, 1024: 4096}[hidden]


@pytest.mark.parametrize("name", ["base_en", "large_en"])
def test_english_sizes_are_those_of_the_releases_files(name: str) -> None:
    shipped = json.loads((CONFIGS / "models" / f"ernie_2.0_{name}.json").read_text())
    assert shipped.pop("use_task_id") is True
    assert shipped == json.loads(released(f"ernie_2.0_{name}.json").read_text())


def test_the_releases_files_are_read_with_fluids_epsilon_and_without_task_embedding() -> None:
    for name, types in (("ernie_1.0_base_zh", 2), ("ernie_2.0_base_en", 4), ("ernie_2.0_large_en", 4)):
        config = ErnieConfig.load(released(f"{name}.json"))
        assert (config.sent_type_vocab_size, config.use_task_id, config.layer_norm_epsilon) == (types, False, 1e-5)
        assert config.ffn_size == 4 * config.hidden_size


@pytest.mark.parametrize("name", SIZES)
def test_plans_have_the_papers_tasks_optimiser_and_batch(name: str) -> None:
    settings, language = plan_named(f"ernie2_{name}"), name[-2:]
    assert settings.model.config == Path(f"configs/models/ernie_2.0_{name}.json")
    assert settings.plan.strategy == "continual_multi_task" and settings.plan.auxiliary_tasks is None
    assert list(settings.plan.tasks) == TASKS[language]
    assert len({quota.steps for quota in settings.plan.tasks.values()}) == 1
    assert {quota.weight for quota in settings.plan.tasks.values()} == {1.0}
    train = settings.train
    assert (train.precision, (train.batch_tokens or 0) * train.accumulation) == ("fp16", 768 * 512)
    assert (train.adam.beta1, train.adam.beta2) == (0.9, 0.98)
    rate = train.learning_rate
    assert (rate.peak, rate.schedule, rate.warmup_steps, rate.restart) == (
        PEAKS[language],
        "noam_decay",
        4000,
        "stage",
    )


def test_the_ablation_has_the_papers_four_tasks_of_50k() -> None:
    """The ablation uses the English base model, like the other plans of that size."""
    settings, whole = plan_named("ablation_continual_multi_task"), plan_named("ernie2_base_en")
    assert list(settings.plan.tasks) == TASKS["en"][:4]
    assert [quota.steps for quota in settings.plan.tasks.values()] == [50_000] * 4
    assert (settings.model, settings.train) == (whole.model, whole.train)


@pytest.mark.parametrize(("name", "language"), [("english", "en"), ("chinese", "zh")])
def test_corpora_are_built_for_the_tasks_of_their_language(name: str, language: str) -> None:
    path = CONFIGS / "corpora" / f"{name}.yaml"
    settings = load_settings(BuildSettings, path, [])
    assert list(settings.tasks) == TASKS[language] and settings.max_length == 512
    tree = yaml.safe_load(path.read_text())
    assert {corpus["language"] for corpus in tree["corpora"].values()} == {language}
