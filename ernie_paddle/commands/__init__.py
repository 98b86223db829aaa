"""The engine's own sub-commands, one module each."""

from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the engine's commands."""
