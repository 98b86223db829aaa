"""Metrics by name, one file per type of prediction. No Paddle here.

| name                   | gold against predicted       | values (the selecting one first)      | options  |
|------------------------|------------------------------|---------------------------------------|----------|
| `accuracy`             | labels                       | accuracy                              |          |
| `f1`                   | labels                       | f1                                    | positive |
| `accuracy_and_f1`      | labels                       | mean, accuracy, f1                    | positive |
| `matthews_correlation` | labels                       | matthews_correlation                  |          |
| `pearson_and_spearman` | numbers                      | mean, pearson, spearman               |          |
| `mrr`                  | relevance against scores     | mrr, map                              | queries* |
| `accuracy_f1_and_mrr`  | relevance against judgements | mrr, f1, accuracy                     | queries* |
| `entity_f1`            | sequences of tags            | f1, precision, recall, f1_strict      | scheme   |
| `tag_accuracy`         | sequences of tags            | accuracy                              |          |
| `em_and_f1`            | accepted answers and a text  | mean, em, f1                          | language |

* a column, with one value per row.
"""

from ernie_paddle.registry import Registry
from tasks.finetuning.metrics import classification, ranking, reading_comprehension, regression, tagging


def register(registry: Registry) -> None:
    """Register the metrics."""
    for module in (classification, regression, ranking, tagging, reading_comprehension):
        for metric in module.METRICS:
            registry.metrics.add(metric.name, metric)
