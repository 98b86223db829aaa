"""Raw corpora to samples: read, annotate once, compose per task."""

from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the readers, the sample builders and the commands that run them."""
