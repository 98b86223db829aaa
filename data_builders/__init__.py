"""Raw corpora to samples: read, annotate once, compose per task."""

from data_builders import builders, commands, readers
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Register the readers, the sample builders and the commands."""
    for package in (readers, builders, commands):
        package.register(registry)
