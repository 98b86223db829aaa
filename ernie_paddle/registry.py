"""The registry of what plug-ins add to the engine: commands, tasks, metrics, readers, sample builders and
token features.

A plug-in is a function `register(registry)` that is declared in the entry-point group `ernie_paddle.plugins`.
"""

import argparse
import difflib
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from ernie_paddle.errors import UserError
from ernie_paddle.stopping import stop_behind

Entry = TypeVar("Entry")

PLUGIN_GROUP = "ernie_paddle.plugins"
DISTRIBUTION = "ernie-paddle"


def nearest(name: str, known: list[str]) -> str:
    """Return `; did you mean 'x'?` if `name` is close to a known name, else the list of known names."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    # What a file with another layout has in the place of names may be long.
    shown = (name if len(name) <= 40 else f"{name[:37]}..." for name in sorted(known))
    return f"; known: {', '.join(shown) or 'none'}"


class Catalog(Generic[Entry]):
    """The registered entries of one kind by name, in order of registration."""

    def __init__(self, kind: str, check: Callable[[Iterable[Entry], Entry], None] | None = None):
        """Name the kind. `check` raises an error if an entry cannot join those that are registered."""
        self.kind = kind
        self._check = check
        self._origins: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, entry: Entry) -> None:
        """Register an entry.

        Raises:
            ValueError: the name is taken, or is not the one that the entry itself has.
        """
        own = getattr(entry, "name", name)
        if own != name:
            raise ValueError(f"{self.kind} '{own}' is registered as '{name}'")
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        if self._check:
            self._check(self, entry)
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

    def origin(self, name: str) -> str:
        """Return the distribution whose plug-in registered an entry, empty if none did."""
        return self._origins.get(name, "")

    def set_origin(self, distribution: str) -> None:
        """Note that the entries without an origin come from a distribution."""
        for name in self._entries:
            self._origins.setdefault(name, distribution)

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


def _check_options(_: Iterable[Command], command: Command) -> None:
    """Try a command's options on a parser of its own; in that of all commands, an error would end each of them."""
    command.configure(argparse.ArgumentParser())


def _check_row(registered: Iterable[Any], task: Any) -> None:
    """Raise a `ValueError` if another task has the same row of the task embedding, or one of its heads."""
    for other in registered:
        if heads := set(other.objective.heads) & set(task.objective.heads):
            raise ValueError(
                f"the pre-training tasks '{other.name}' and '{task.name}' have the same head, {min(heads)}"
            )
        if other.task_id == task.task_id:
            raise ValueError(
                f"the pre-training tasks '{other.name}' and '{task.name}' have the same row of the task embedding, "
                f"task id {task.task_id}"
            )


@dataclass(frozen=True)
class Registry:
    """Everything that plug-ins registered. It is no global: `load_plugins` returns a new registry."""

    commands: Catalog[Command] = field(default_factory=lambda: Catalog("command", _check_options))
    pretraining_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("pre-training task", _check_row))
    finetuning_tasks: Catalog[Any] = field(default_factory=lambda: Catalog("fine-tuning task"))
    metrics: Catalog[Any] = field(default_factory=lambda: Catalog("metric"))
    readers: Catalog[Any] = field(default_factory=lambda: Catalog("corpus format"))
    sample_builders: Catalog[Any] = field(default_factory=lambda: Catalog("sample builder"))
    token_features: Catalog[Any] = field(default_factory=lambda: Catalog("token feature"))


def _raise(error: UserError) -> None:
    raise error


def load_plugins(report: Callable[[UserError], None] = _raise) -> Registry:
    """Return a registry filled by every installed plug-in, those of this project first.

    Calls `report` with an error for each plug-in that cannot be loaded. By default the error is raised.
    """
    registry = Registry()
    for point in sorted(entry_points(group=PLUGIN_GROUP), key=_order):
        try:
            point.load()(registry)
        except (Exception, SystemExit) as error:
            if stop_behind(error):
                raise
            report(_broken(point, error))
        for catalog in vars(registry).values():
            catalog.set_origin(f"{point.dist.name} {point.dist.version}" if point.dist else point.value)
    return registry


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    """Sort this project's plug-ins before others, so that a name registered twice is an error of the other one."""
    distribution = point.dist.name if point.dist else ""
    return distribution != DISTRIBUTION, point.name, distribution


def _broken(point: EntryPoint, error: BaseException) -> UserError:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    frames = traceback.extract_tb(error.__traceback__)
    if places := [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]:
        reason += f" ({Path(places[-1].filename).name} line {places[-1].lineno})"
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    remedy = f"mend it, or run: pip uninstall {point.dist.name}" if point.dist else "mend it, or uninstall it"
    return UserError(f"plug-in '{point.name}' ({point.value}) of {origin} is broken: {reason}; {remedy}")
