"""Tables of held-out scores."""

from rich.console import Console
from rich.table import Table

from ernie_paddle.training.trainer import Score, Trainer


def show_scores(console: Console, title: str, trainer: Trainer, scores: dict[str, Score]) -> None:
    """Print loss and accuracy of each task beside those of guessing."""
    table = Table("task", title=title)
    for column in ("loss", "guessing", "accuracy", "labels"):
        table.add_column(column, justify="right")
    chance = trainer.chance_losses()
    for name, score in scores.items():
        table.add_row(name, f"{score.loss:.3f}", f"{chance[name]:.3f}", f"{score.accuracy:.1%}", f"{score.labels:,}")
    console.print(table)
