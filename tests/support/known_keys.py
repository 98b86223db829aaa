"""Which configuration keys exist, and whether a page names others."""

import functools
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from settings_reference import keys

from data_builders.corpora_config import BuildSettings
from ernie_paddle.config import EXTENDS
from ernie_paddle.finetuning.settings import SIZES, FinetuneSettings
from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.pretraining.settings import PretrainSettings
from ernie_paddle.registry import load_plugins
from tasks.finetuning.reading.data import DataSettings, Reading

SECTIONS = ("model", "data", "plan", "train", "impl", "signature", "spans", "corpora", "tasks", "metric_options")
CHECKED = ("options", "metric_options", "data")  # mappings whose keys are listed elsewhere


@functools.cache
def settings_classes() -> dict[str, list[tuple[type[BaseModel], str]]]:
    """Return the settings classes of each kind of configuration, with the keys that they stand under."""
    registry = load_plugins()
    formats = Reading.__origin__.__args__  # type: ignore[attr-defined]
    return {
        "plan": [
            (PretrainSettings, ""),
            *((task.objective.Options, "plan.tasks.<name>.options") for task in registry.pretraining_tasks),
        ],
        "corpora": [
            (BuildSettings, ""),
            *((builder.Options, "tasks.<name>.options") for builder in registry.sample_builders),
        ],
        "recipe": [
            (FinetuneSettings, ""),
            (DataSettings, "data"),
            *((file_format, "data.reading") for file_format in formats),
            *((task.Options, "signature.options") for task in registry.finetuning_tasks),
        ],
        "model": [(ErnieConfig, "")],
    }


@functools.cache
def known_keys() -> dict[str, list[str]]:
    """Return the keys of each kind of configuration as regular expressions."""
    known = {
        kind: [_pattern(key.name, key.type) for record, prefix in classes for key in keys(record, prefix)]
        for kind, classes in settings_classes().items()
    }
    for kind in ("plan", "corpora", "recipe"):
        known[kind].append(EXTENDS)
    known["recipe"] += [
        _pattern(f"metric_options.{option}", "") for m in load_plugins().metrics for option in m.options
    ]
    known["recipe"] += [f"({'|'.join(SIZES)})", *(f"({'|'.join(SIZES)})\\.{pattern}" for pattern in known["recipe"])]
    return known


def _pattern(key: str, type_name: str) -> str:
    """Match a key and, if it is a mapping, the names in it that users choose."""
    parts = [r"[^.]+" if part.startswith("<") else re.escape(part) for part in key.split(".")]
    names = ""
    if type_name.startswith("mapping") and parts[-1] not in CHECKED:
        names = r"(\.[^.]+)?" if "section" in type_name else r"(\..+)?"
    return r"\.".join(parts) + names


def dotted(tree: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys of a YAML tree."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            key = f"{prefix}.{name}" if prefix else str(name)
            yield key
            yield from dotted(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from dotted(value, prefix)


def is_known(key: str, patterns: list[str]) -> bool:
    """Return whether a configuration has a key."""
    return any(re.fullmatch(pattern, key) for pattern in patterns)
