"""Recipes: sizes laid over the rest, and the hyper-parameters of paper, release and benchmark."""

from pathlib import Path

import pytest
from recipe_support import RECIPES, load_recipe

from ernie_paddle.errors import UserError
from ernie_paddle.training.run_settings import EvaluateEvery

# Of the release's scripts: peak, samples of an update over all cards, epochs, longest input; base, then large.
RELEASE = """
glue/cola      3e-5 64 3    3e-5 32 5     128
glue/sst-2     2e-5 256 4   2e-5 64 4     128
glue/mrpc      3e-5 32 4    3e-5 16 4     128
glue/sts-b     5e-5 128 3   5e-5 128 3    128
glue/qqp       3e-5 256 3   5e-5 256 3    128
glue/mnli      3e-5 512 3   3e-5 256 3    128
glue/qnli      2e-5 256 4   2e-5 256 4    128
glue/rte       2e-5 4 4     3e-5 16 5     128
glue/wnli      2e-5 8 4     2e-5 8 4      512
ernie_zh/chnsenticorp 5e-5 24 10   1e-5 24 10   256
ernie_zh/lcqmc        2e-5 32 3    5e-6 32 3    128
ernie_zh/bq           3e-5 64 3    1.5e-5 64 3  128
ernie_zh/nlpcc-dbqa   2e-5 64 3    1e-5 64 3    512
ernie_zh/msra_ner     5e-5 16 6    1e-5 16 6    256
ernie_zh/thucnews     3e-5 64 3    1.5e-5 64 3  512
ernie_zh/cmrc2018     3e-5 64 2    3e-5 64 2    512
ernie_zh/drcd         5e-5 64 2    3e-5 64 2    512
clue/afqmc       3e-5 64 3   1e-5 32 3   128
clue/tnews       3e-5 64 3   3e-5 64 3   128
clue/iflytek     5e-5 16 3   3e-5 32 3   128
clue/cmnli       5e-5 64 2   2e-5 32 2   128
clue/ocnli       5e-5 32 5   1e-5 16 5   128
clue/cluewsc2020 5e-5 16 50  3e-5 32 50  128
clue/csl         2e-5 16 5   1e-5 64 5   256
clue/cmrc2018    2e-5 32 2   2e-5 24 2   512
clue/chid        3e-5 24 3   2e-5 24 3   64
clue/c3          3e-5 32 8   3e-5 32 8   512
"""


@pytest.mark.parametrize("row", RELEASE.split("\n")[1:-1], ids=lambda row: row.split()[0])
def test_hyper_parameters_are_those_that_were_published(row: str) -> None:
    name, *numbers, length = row.split()
    for size, (peak, batch, epochs) in (("base", numbers[:3]), ("large", numbers[3:])):
        recipe = load_recipe(RECIPES / f"{name}.yaml", size)
        recipe_train = recipe.settings.train
        assert recipe_train
        found = (recipe_train.learning_rate.peak, recipe_train.batch_samples, recipe.settings.epochs)
        assert found == (float(peak), int(batch), int(epochs))
        assert recipe.signature.max_length == int(length)
        assert recipe_train.accumulation == 1 and not recipe_train.group_by_length
        rate, adam = recipe_train.learning_rate, recipe_train.adam
        if name.startswith("ernie_zh"):
            assert rate.schedule == "constant" and adam.weight_decay == (0 if name.endswith("lcqmc") else 0.01)
        else:
            assert rate.warmup_share == (0.06 if name == "clue/chid" else 0.1)
            assert adam.weight_decay == (0 if name.startswith("glue") else 0.01)
            assert rate.schedule == ("linear" if name.startswith("clue") else "linear_warmup_decay")
        assert adam.epsilon == 1e-8 and adam.beta2 == 0.999
        assert adam.clip_norm == (None if name == "clue/cmrc2018" else 1)
        every = recipe.settings.evaluate_every
        if name.startswith("clue") and recipe.signature.task in ("classification", "pronoun_resolution"):
            assert every == EvaluateEvery(updates=100)
        else:
            assert every == EvaluateEvery(epochs=1)


def test_published_figures_say_where_they_were_published() -> None:
    averages = {"base": "74.95", "large": "77.03"}
    for path in RECIPES.glob("*/*.yaml"):
        for size, average in averages.items():
            settings = load_recipe(path, size).settings
            assert bool(settings.paper) == bool(settings.paper_source), path
            if settings.paper and path.parent.name == "clue":
                assert "PaddleNLP" in settings.paper_source and average in settings.paper_source


def test_every_recipe_holds_for_both_sizes() -> None:
    paths = sorted(RECIPES.glob("*/*.yaml"))
    assert len(paths) == 31
    for path in paths:
        base, large = (load_recipe(path, size) for size in ("base", "large"))
        assert base.data == large.data and base.signature == large.signature
        sets = {*base.data.sets("train"), *base.data.sets("dev"), *base.data.sets("test")}
        assert {*base.settings.paper, *large.settings.paper} <= sets, path
        assert (base.settings.train is None) == (base.data.train is None)
        assert set(base.settings.submission) <= sets


def test_a_size_is_laid_over_the_rest_and_overrides_over_both(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    text = """
signature: {task: classification, labels: [a, b], max_length: 16}
metric: accuracy
data: {train: train.tsv, dev: dev.tsv}
epochs: 3
train: {seed: 5, batch_samples: 8, learning_rate: {peak: 0.1, warmup_share: 0.1}}
large: {epochs: 7, train: {learning_rate: {peak: 0.2}}}
"""
    path.write_text(text)
    recipe = load_recipe(path, "large", ["train.batch_samples=4"]).settings
    assert recipe.train
    assert (recipe.epochs, recipe.train.seed, recipe.train.batch_samples) == (7, 5, 4)
    assert (recipe.train.learning_rate.peak, recipe.train.learning_rate.warmup_share) == (0.2, 0.1)
    with pytest.raises(UserError, match=r"recipe\.yaml: no section for the size 'base'; there are: large"):
        load_recipe(path, "base")
    path.write_text(text.replace("large:", "# "))
    assert load_recipe(path, "large") == load_recipe(path, "base")
    with pytest.raises(UserError, match=r"recipe\.yaml: unknown key 'metrics'; did you mean 'metric'"):
        load_recipe(path, overrides=["metrics=accuracy"])
