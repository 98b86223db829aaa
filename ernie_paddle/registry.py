"""What plug-ins add to the engine: commands, tasks, metrics, readers and sample builders.

A plug-in is a function `register(registry)` named in the entry-point group `ernie_paddle.plugins`.
"""

import argparse
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from ernie_paddle.errors import UserError

Item = TypeVar("Item")

PLUGIN_GROUP = "ernie_paddle.plugins"


def nearest(name: str, known: list[str]) -> str:
    """`; did you mean 'x'?` for a name close to a known one, else the list of known names."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(known)) or 'none'}"


class Catalog(Generic[Item]):
    """Items of one kind by name, in the order they were added."""

    def __init__(self, kind: str):
        self.kind = kind
        self._items: dict[str, Item] = {}

    def add(self, name: str, item: Item) -> None:
        if name in self._items:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        self._items[name] = item

    def get(self, name: str, where: str = "") -> Item:
        """The item called `name`.

        Raises:
            UserError: there is none; the message names the nearest one. `where` says who asked.
        """
        if name not in self._items:
            prefix = f"{where}: " if where else ""
            raise UserError(f"{prefix}unknown {self.kind} '{name}'{nearest(name, list(self._items))}")
        return self._items[name]

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def names(self) -> list[str]:
        return list(self._items)


@dataclass(frozen=True)
class Command:
    """One sub-command of `ernie-paddle`.

    `configure` adds its options; `run` gets the parsed options and the registry; `after_stop` tells how to go on after
    Ctrl-C or SIGTERM, wherever it came.
    """

    name: str
    help: str
    example: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, "Registry"], None]
    after_stop: str = "nothing was written; run the same command again"


@dataclass(frozen=True)
class Registry:
    """All that plug-ins registered. Nothing global: `load_plugins` makes a new one."""

    commands: Catalog[Command] = field(default_factory=lambda: Catalog("command"))
    pretraining_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("pre-training task"))
    finetuning_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("fine-tuning task"))
    metrics: Catalog[Any] = field(default_factory=lambda: Catalog("metric"))
    readers: Catalog[Any] = field(default_factory=lambda: Catalog("corpus format"))
    sample_builders: Catalog[Any] = field(default_factory=lambda: Catalog("sample builder"))


def load_plugins() -> Registry:
    """A registry filled by every installed plug-in."""
    registry = Registry()
    for point in sorted(entry_points(group=PLUGIN_GROUP), key=lambda point: point.name):
        point.load()(registry)
    return registry
