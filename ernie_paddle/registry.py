"""The registry of what plug-ins add to the engine: commands, tasks, metrics, readers, sample builders and
token features.

A plug-in is a function `register(registry)` that is declared in the entry-point group `ernie_paddle.plugins`.
"""

import argparse
import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from ernie_paddle.errors import UserError

Entry = TypeVar("Entry")

PLUGIN_GROUP = "ernie_paddle.plugins"


def nearest(name: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` if `name` is close to a known name, else the list of known names."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(known)) or 'none'}"


class Catalog(Generic[Entry]):
    """The registered entries of one kind by name, in order of registration."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        self._entries[name] = entry

    def get(self, name: str, where: str = "") -> Entry:
        """Return the entry called `name`.

        Raises:
            UserError: there is none. The message begins with `where` and names the nearest known one.
        """
        if name not in self._entries:
            prefix = f"{where}: " if where else ""
            raise UserError(f"{prefix}unknown {self.kind} '{name}'{nearest(name, list(self._entries))}")
        return self._entries[name]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def names(self) -> list[str]:
        return list(self._entries)


@dataclass(frozen=True)
class Command:
    """One sub-command of `ernie-paddle`.

    `configure` adds its options. `run` is called with the parsed options and the registry. `after_stop` is the advice
    printed after Ctrl-C or SIGTERM.
    """

    name: str
    help: str
    example: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, "Registry"], None]
    after_stop: str = "nothing was written; run the same command again"


@dataclass(frozen=True)
class Registry:
    """Everything that plug-ins registered. It is no global: `load_plugins` returns a new registry."""

    commands: Catalog[Command] = field(default_factory=lambda: Catalog("command"))
    pretraining_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("pre-training task"))
    finetuning_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("fine-tuning task"))
    metrics: Catalog[Any] = field(default_factory=lambda: Catalog("metric"))
    readers: Catalog[Any] = field(default_factory=lambda: Catalog("corpus format"))
    sample_builders: Catalog[Any] = field(default_factory=lambda: Catalog("sample builder"))
    token_features: Catalog[Any] = field(default_factory=lambda: Catalog("token feature"))


def load_plugins() -> Registry:
    """Return a registry filled by every installed plug-in."""
    registry = Registry()
    for point in sorted(entry_points(group=PLUGIN_GROUP), key=lambda point: point.name):
        point.load()(registry)
    return registry
