"""What is learned: one file per pre-training task, one per kind of fine-tuning."""

from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the tasks."""
