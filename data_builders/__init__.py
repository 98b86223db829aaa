"""Raw corpora to samples: read, annotate once, compose per task."""

from data_builders import builders, commands, readers
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the readers, the sample builders and the commands that run them."""
    for part in (readers, builders, commands):
        part.register(registry)
