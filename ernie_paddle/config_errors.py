"""What is wrong with a config, in the words of its keys instead of pydantic's."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ernie_paddle.registry import nearest

BOOLEANS = "YAML reads yes, no, on, off, true and false as booleans"
MISREAD = "misread"  # the type of errors that `Settings` raises itself; their context has the key and the reason
SHOWN = 4  # entries of a list in a message

# By pydantic's type of error: what was expected. The first are those of a value of another type.
TYPES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping of keys to values"),
    "string_type": "text",
    "path_type": "a path",
    "literal_error": "{expected}",
}
LIMITS = {
    "finite_number": "a finite number",
    "greater_than": "more than {gt:,.10g}",
    "greater_than_equal": "at least {ge:,.10g}",
    "less_than": "less than {lt:,.10g}",
    "less_than_equal": "at most {le:,.10g}",
    "too_short": "{min_length} or more entries",
}


def explain(settings_type: type[BaseModel], tree: Any, error: ValidationError) -> str:
    """Return the reason why `tree` holds no settings of this type: the key, what was expected and what was found."""
    errors = [(_path(tree, details), details) for details in error.errors()]
    path, chosen = _first(errors)
    kind, where = chosen["type"], ".".join(path)
    if kind == "extra_forbidden":
        *parents, key = chosen["loc"]
        return f"unknown key '{where}'{nearest(str(key), list(_models(settings_type, parents)[0].model_fields))}"
    if kind == "missing":
        return f"key '{where}' is missing"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _without_tag(chosen, where, _models(settings_type, chosen["loc"]))
    if kind == "invalid_key" or (kind == "string_type" and chosen["loc"][-1] == "[key]"):
        quoted = f"; {BOOLEANS}" if path[-1] in ("True", "False") else f": '{path[-1]}'"
        return f"key '{where}': a key must be text; put it in quotes{quoted}"
    if kind in TYPES or kind in LIMITS:
        same_place = [details for other, details in errors if other == path and details["type"] in TYPES]
        expected = dict.fromkeys(map(_expected, same_place if kind in TYPES else [chosen]))
        reason = f"expected {' or '.join(expected)}, found {_shown(chosen['input'])}"
        if kind in ("string_type", "path_type") or isinstance(chosen["input"], bool):
            reason += _quoting(tree, path, chosen["input"])
    else:
        reason = _own_reason(chosen)
    return f"key '{where}': {reason}" if where else reason


def _path(tree: Any, details: ErrorDetails) -> tuple[str, ...]:
    """Return the keys that lead to an error. Pydantic's `loc` also names the members of unions, which are no keys."""
    path, loc = [], details["loc"]
    bad_key = loc[-1:] == ("[key]",)
    for part in loc[:-2] if bad_key else loc:
        entries = dict(enumerate(tree)) if isinstance(tree, list | tuple) else tree if isinstance(tree, dict) else {}
        if part in entries:
            tree = entries[part]
            path.append(str(part))
    if bad_key:
        path.append(str(details["input"]))
    elif details["type"] == "missing":
        path.append(str(loc[-1]))
    elif details["type"] == MISREAD:
        path.append(details["ctx"]["key"])
    return tuple(path)


def _first(errors: list[tuple[tuple[str, ...], ErrorDetails]]) -> tuple[tuple[str, ...], ErrorDetails]:
    """Choose the error to report.

    A mistyped key is unknown, and often its correct name is missing: the unknown key is reported. A value that has the
    wrong type for one member of a union and another error in a second member is meant for the second.
    """
    for path, details in errors:
        if details["type"] == "extra_forbidden":
            return path, details
    first, details = errors[0]
    if details["type"] in TYPES:
        for path, others in errors[1:]:
            if path[: len(first)] == first and (len(path) > len(first) or others["type"] not in TYPES):
                return path, others
    return first, details


def _expected(details: ErrorDetails) -> str:
    return (TYPES | LIMITS)[details["type"]].format(**details.get("ctx", {}))


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _without_tag(details: ErrorDetails, where: str, models: list[type[BaseModel]]) -> str:
    """Explain that a mapping does not say which of several models it holds, or says it wrongly."""
    name = details["ctx"]["discriminator"].strip("'")
    tags = [model.model_fields[name].default for model in models if name in model.model_fields]
    key = f"{where}.{name}" if where else name
    if details["type"] == "union_tag_not_found":
        return f"key '{key}' is missing; known: {', '.join(tags)}"
    tag = details["input"][name]
    return f"key '{key}': unknown {_shown(tag)}{nearest(str(tag), tags)}"


def _quoting(tree: Any, path: tuple[str, ...], value: Any) -> str:
    """Return the advice to quote a value that YAML does not read as text, empty if that would not help."""
    if isinstance(value, bool):
        return f"; {BOOLEANS}: put the word in quotes"
    if value is None or isinstance(value, str | list | dict):
        return ""
    for key in path[:-1]:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    if not isinstance(tree, list):
        return f"; quote it: {path[-1]}: {_quoted(value)}"
    entries = [*map(_quoted, tree[:SHOWN]), *(["..."] if len(tree) > SHOWN else [])]
    return f"; quote them: {path[-2]}: [{', '.join(entries)}]"


def _quoted(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _own_reason(details: ErrorDetails) -> str:
    """Return the message of a validator of ours, or pydantic's."""
    context = details.get("ctx", {})
    return str(context["reason"] if details["type"] == MISREAD else context.get("error", details["msg"]))


def _models(settings_type: type[BaseModel], loc: Any) -> list[type[BaseModel]]:
    """Return the models that may stand at a `loc` of pydantic."""
    models = [settings_type]
    for part in loc:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        types = [candidate for field in fields for candidate in annotation_parts(field.annotation)]
        # A part that is not a field is a key of a mapping, or the discriminator of a union of models.
        chosen = [model for model in models if any(field.default == part for field in model.model_fields.values())]
        models = [part for part in types if isinstance(part, type) and issubclass(part, BaseModel)] or chosen or models
    return models


def annotation_parts(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and, recursively, its arguments."""
    yield annotation
    for inner in get_args(annotation):
        yield from annotation_parts(inner)
