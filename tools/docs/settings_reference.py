"""Reference of the configuration keys, from the settings classes; of metrics, from the registry."""

import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ernie_paddle.registry import load_plugins

NAMES = {
    str: "text",
    bool: "true or false",
    int: "integer",
    float: "number",
    Path: "path",
    type(None): "null",
    Any: "any",
}
BOUNDS = {
    annotated_types.Ge: ("ge", "≥"),
    annotated_types.Gt: ("gt", ">"),
    annotated_types.Le: ("le", "≤"),
    annotated_types.Lt: ("lt", "<"),
    annotated_types.MinLen: ("min_length", "length ≥"),
}


@dataclass(frozen=True)
class Key:
    """A configuration key: its dotted name, type and default as text, and its meaning."""

    name: str
    type: str
    default: str
    meaning: str


# ---- keys of settings classes ----


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """Yield all keys of a settings class and of the records in it, in their order; `prefix` begins their names."""
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        yield Key(key, _type(field), _default(field), " ".join((field.description or "").split()))
        records = list(_records(field.annotation, key))
        if len(records) == 1:  # of several, such as the formats of data files, each has a table of its own
            yield from keys(*records[0])


def _records(annotation: Any, key: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the settings classes in a type, with the names of the keys that hold them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, key
    elif get_origin(annotation) is Annotated:
        yield from _records(get_args(annotation)[0], key)
    elif get_origin(annotation) is dict:
        yield from _records(get_args(annotation)[1], f"{key}.<name>")
    else:
        found = [record for part in get_args(annotation) for record in _records(part, key)]
        yield from dict.fromkeys(found)


def _type(field: FieldInfo) -> str:
    return ", ".join([type_name(field.annotation), *_bounds(field.metadata)])


def _bounds(metadata: Iterable[Any]) -> list[str]:
    """Return the bounds in a type's metadata, as `> 0`; those of a member of a union are in its `Field`."""
    return [
        f"{sign} {getattr(bound, attribute)}"
        for part in metadata
        for bound in (part.metadata if isinstance(part, FieldInfo) else [part])
        for kind, (attribute, sign) in BOUNDS.items()
        if isinstance(bound, kind)
    ]


def type_name(annotation: Any) -> str:
    """Return a type as readers of a YAML file would call it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in NAMES:
        return NAMES[annotation]
    if origin is Annotated:
        return f"{type_name(parts[0])} {', '.join(_bounds(parts[1:]))}".strip()
    if origin is Literal:
        return ", ".join(f"`{_yaml(part)}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(part) for part in parts))
    if origin in (list, tuple):
        return f"list of {type_name(parts[0])}"
    if origin is dict:
        return f"mapping to {type_name(parts[1])}"
    return "section"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
        return f"`{_yaml(value)}`" if value else ""
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    if isinstance(plain, float):
        return f"{plain:g}"
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True).removesuffix("\n...\n").strip()


def table(rows: list[Key]) -> str:
    """Return keys as a Markdown table."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    cells = ((f"`{key.name}`", key.type, key.default, key.meaning) for key in rows)
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)])


def _summary(record: type[BaseModel]) -> str:
    return " ".join((record.__doc__ or "").split())


# ---- what the pages ask for by name; see hooks.py ----


def settings(name: str, prefix: str = "") -> str:
    """Return the keys of the settings class `module:Class`."""
    return table(list(keys(resolve_name(name), prefix)))


def task_options() -> str:
    """Return the options of all pre-training tasks that have some."""
    return _options({task.name: task.objective.Options for task in load_plugins().pretraining_tasks})


def builder_options() -> str:
    """Return the options of all sample builders that have some."""
    return _options({builder.name: builder.Options for builder in load_plugins().sample_builders})


def finetuning_options() -> str:
    """Return the options of all fine-tuning tasks that have some."""
    return _options({task.name: task.Options for task in load_plugins().finetuning_tasks})


def _options(classes: dict[str, type[BaseModel]]) -> str:
    parts = [f"#### {name}\n\n{table(list(keys(record)))}" for name, record in classes.items() if record.model_fields]
    without = ", ".join(f"`{name}`" for name, record in classes.items() if not record.model_fields)
    return "\n\n".join([*parts, f"Without options: {without}."] if without else parts)


def formats() -> str:
    """Return the settings of all formats of labelled data."""
    from tasks.finetuning.reading.data import DataSettings

    records = [record for record, _ in _records(DataSettings.model_fields["reading"].annotation, "")]
    parts = []
    for record in records:
        rows = [key for key in keys(record) if key.name != "format"]
        heading = f"#### {record.model_fields['format'].default}\n\n{_summary(record)}"
        parts.append(f"{heading}\n\n{table(rows)}" if rows else heading)
    return "\n\n".join(parts)


def metrics() -> str:
    """Return all metrics with their values and options."""
    lines = ["| metric | scores | values | options |", "|---|---|---|---|"]
    for metric in load_plugins().metrics:
        values = sorted(metric.values, key=lambda value: value != metric.selection_metric)
        options = (
            f"`{name}`" + (": " + ", ".join(f"`{value}`" for value in known) if known else "")
            for name, known in metric.options.items()
        )
        shown = ", ".join(f"`{value}`" for value in values)
        lines.append(f"| `{metric.name}` | {metric.input_type} | {shown} | {'; '.join(options)} |")
    return "\n".join(lines)
