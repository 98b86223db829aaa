"""Recipes: sizes laid over the rest, and the hyper-parameters of paper, release and benchmark."""

from pathlib import Path

import pytest
from recipe_support import RECIPES, load_recipe

from ernie_paddle.errors import UserError
from ernie_paddle.finetuning.settings import EvaluateEvery

# Of the release's scripts: peak, samples of a step over all cards (XNLI: tokens), epochs, longest input; base, then
# large.
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
ernie_zh/xnli         1e-4 65536 3 4e-5 65536 3 512
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
        sizes = (recipe_train.batch_samples, recipe_train.batch_tokens)
        assert sizes == ((None, int(batch)) if name == "ernie_zh/xnli" else (int(batch), None))
        assert (recipe_train.learning_rate.peak, recipe.settings.epochs) == (float(peak), int(epochs))
        assert recipe.signature.max_length == int(length)
        assert recipe_train.accumulation == 1 and not recipe_train.group_by_length
        rate, adam = recipe_train.learning_rate, recipe_train.adam
        if name.startswith("ernie_zh"):
            assert rate.schedule == "constant" and adam.weight_decay == (0 if name.endswith("lcqmc") else 0.01)
        else:
            assert rate.warmup_share == (0.06 if name == "clue/chid" else 0.1)
            assert adam.weight_decay == (0 if name.startswith("glue") else 0.01)
            assert rate.schedule == ("linear" if name.startswith("clue") else "linear_warmup_decay")
        assert (adam.epsilon, adam.beta1, adam.beta2) == (1e-8, 0.9, 0.999)
        assert recipe.settings.dropout is None and recipe.signature.task_id == 0
        assert adam.clip_norm == (None if name == "clue/cmrc2018" else 1)
        every = recipe.settings.evaluate_every
        if name.startswith("clue") and recipe.signature.task in ("classification", "pronoun_resolution"):
            assert every == EvaluateEvery(steps=100)
        else:
            assert every == EvaluateEvery(epochs=1)


# The release's README and PaddleNLP's README of its CLUE benchmark, in per cent: recipe, set, value, base, large.
PUBLISHED = """
glue/cola   dev  matthews_correlation - 65.4
glue/cola   test matthews_correlation 55.2 63.5
glue/sst-2  dev  accuracy - 96.0
glue/sst-2  test accuracy 95.0 95.6
glue/mrpc   dev  accuracy - 89.7
glue/mrpc   test f1 89.9 90.2
glue/mrpc   test accuracy 86.1 87.4
glue/sts-b  dev  pearson - 92.3
glue/sts-b  test pearson 87.6 91.2
glue/sts-b  test spearman 86.5 90.6
glue/qqp    dev  accuracy - 92.5
glue/qqp    test f1 73.2 73.8
glue/qqp    test accuracy 89.8 90.1
glue/mnli   dev_matched accuracy - 89.1
glue/mnli   test_matched accuracy 86.1 88.7
glue/mnli   test_mismatched accuracy 85.5 88.8
glue/qnli   dev  accuracy - 94.3
glue/qnli   test accuracy 92.9 94.6
glue/rte    dev  accuracy - 85.2
glue/rte    test accuracy 74.8 80.2
glue/wnli   test accuracy 65.1 67.8
glue/ax     test matthews_correlation 37.4 48.0
ernie_zh/xnli         dev  accuracy 81.2 82.6
ernie_zh/xnli         test accuracy 79.7 81.0
ernie_zh/cmrc2018     dev  em 69.1 71.5
ernie_zh/cmrc2018     dev  f1 88.6 89.9
ernie_zh/drcd         dev  em 88.5 89.7
ernie_zh/drcd         test em 88.0 89.0
ernie_zh/drcd         dev  f1 93.8 94.7
ernie_zh/drcd         test f1 93.4 94.2
ernie_zh/msra_ner     dev  f1 95.2 96.3
ernie_zh/msra_ner     test f1 93.8 95.0
ernie_zh/chnsenticorp dev  accuracy 95.7 96.1
ernie_zh/chnsenticorp test accuracy 95.5 95.8
ernie_zh/nlpcc-dbqa   dev  mrr 95.7 95.9
ernie_zh/nlpcc-dbqa   test mrr 95.7 95.8
ernie_zh/nlpcc-dbqa   dev  f1 84.7 85.3
ernie_zh/nlpcc-dbqa   test f1 85.3 85.8
ernie_zh/lcqmc        dev  accuracy 90.9 90.9
ernie_zh/lcqmc        test accuracy 87.9 87.9
ernie_zh/bq           dev  accuracy 86.4 86.5
ernie_zh/bq           test accuracy 85.0 85.2
clue/afqmc       dev accuracy 76.25 76.41
clue/tnews       dev accuracy 58.53 59.67
clue/iflytek     dev accuracy 61.72 62.29
clue/cmnli       dev accuracy 83.07 83.82
clue/ocnli       dev accuracy 78.81 79.69
clue/cluewsc2020 dev accuracy 84.21 89.14
clue/csl         dev accuracy 82.77 84.10
clue/cmrc2018    dev em 68.22 71.48
clue/cmrc2018    dev f1 88.71 90.35
clue/chid        dev accuracy 82.78 85.52
clue/c3          dev accuracy 73.19 78.12
"""
# The classes in the order of their ids, as the release's conversions number them; the last one is the positive class.
LABELS = {
    "0 1": "glue/cola glue/sst-2 glue/mrpc glue/qqp glue/wnli ernie_zh/chnsenticorp ernie_zh/lcqmc ernie_zh/bq "
    "ernie_zh/nlpcc-dbqa clue/afqmc clue/csl",
    "contradiction neutral entailment": "glue/mnli glue/ax clue/cmnli clue/ocnli clue/diagnostics",
    "not_entailment entailment": "glue/qnli glue/rte",
    "false true": "clue/cluewsc2020",
    "contradictory entailment neutral": "ernie_zh/xnli",
    "B-PER I-PER B-ORG I-ORG B-LOC I-LOC O": "ernie_zh/msra_ner",
    "体育 财经 房产 家居 教育 科技 时尚 时政 游戏 娱乐": "ernie_zh/thucnews",
    "100 101 102 103 104 106 107 108 109 110 112 113 114 115 116": "clue/tnews",
    " ".join(map(str, range(119))): "clue/iflytek",
    "": "glue/sts-b ernie_zh/cmrc2018 ernie_zh/drcd ernie_zh/dureader clue/cmrc2018 clue/chid clue/c3",
}
METRICS = {
    "matthews_correlation": "glue/cola glue/ax",
    "accuracy_and_f1": "glue/mrpc glue/qqp",
    "pearson_and_spearman": "glue/sts-b",
    "accuracy_f1_and_mrr": "ernie_zh/nlpcc-dbqa",
    "entity_f1": "ernie_zh/msra_ner",
    "em_and_f1": "ernie_zh/cmrc2018 ernie_zh/drcd ernie_zh/dureader clue/cmrc2018",
}


def test_published_values_are_those_of_the_readmes() -> None:
    for column, size in ((3, "base"), (4, "large")):
        expected: dict[str, dict[str, dict[str, float]]] = {}
        for row in (line.split() for line in PUBLISHED.strip().splitlines()):
            if row[column] != "-":
                expected.setdefault(row[0], {}).setdefault(row[1], {})[row[2]] = float(row[column])
        settings = {path: load_recipe(path, size).settings for path in RECIPES.glob("*/*.yaml")}
        found = {str(path.relative_to(RECIPES).with_suffix("")): one.paper for path, one in settings.items()}
        assert {name: paper for name, paper in found.items() if paper} == expected


def test_labels_and_metrics_are_those_of_the_benchmarks() -> None:
    labels = {name: tuple(key.split()) or None for key, names in LABELS.items() for name in names.split()}
    metrics = {name: metric for metric, names in METRICS.items() for name in names.split()}
    paths = {str(path.relative_to(RECIPES).with_suffix("")): path for path in RECIPES.glob("*/*.yaml")}
    assert labels.keys() == paths.keys()
    for name, path in paths.items():
        recipe = load_recipe(path)
        assert recipe.signature.labels == labels[name], name
        assert recipe.settings.metric == metrics.get(name, "accuracy"), name
        assert recipe.settings.metric_options == ({"language": "zh"} if recipe.settings.metric == "em_and_f1" else {})


@pytest.mark.parametrize(
    ("name", "longest_answer"), [("ernie_zh/cmrc2018", 100), ("ernie_zh/drcd", 100), ("clue/cmrc2018", 50)]
)
def test_lengths_of_reading_comprehension_are_the_releases_and_paddlenlps(name: str, longest_answer: int) -> None:
    expected = {"stride": 128, "max_question_length": 64, "max_answer_length": longest_answer, "best_answers": 20}
    assert load_recipe(RECIPES / f"{name}.yaml").signature.options == expected


def test_dureader_is_trained_as_cmrc2018() -> None:
    for size in ("base", "large"):
        one, other = (load_recipe(RECIPES / f"ernie_zh/{name}.yaml", size) for name in ("dureader", "cmrc2018"))
        assert (one.settings.train, one.settings.epochs) == (other.settings.train, other.settings.epochs)
        assert one.signature == other.signature


def test_published_values_say_where_they_were_published() -> None:
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
