"""Raw corpora to samples: read, annotate once, compose per task."""

from data_builders import builders, commands, readers
from data_builders.annotation import features
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Register the readers, the token features, the sample builders and the commands."""
    for part in (readers, features, builders, commands):
        part.register(registry)
