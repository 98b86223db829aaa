"""Strict YAML configuration: unknown keys are errors that name the nearest known one."""

import argparse
import copy
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_text
from ernie_paddle.registry import nearest


class Settings(BaseModel):
    """Base of all configuration records: immutable, no unknown keys, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


SettingsType = TypeVar("SettingsType", bound=Settings)


def load_settings(kind: type[SettingsType], path: Path, overrides: list[str]) -> SettingsType:
    """Read a YAML file, apply `a.b=value` overrides and check it against `kind`.

    Raises:
        UserError: file missing or not YAML, unknown key, value of the wrong type.
    """
    return check_settings(kind, apply_overrides(read_yaml(path), overrides), str(path))


def add_overrides(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the option `--set key=value ...` to a command."""
    text = f"dotted keys of the file to set, as {example}"
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help=text)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping."""
    try:
        tree = yaml.safe_load(read_text(path, "configuration file"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected a mapping of keys to values at the top")
    return tree


def apply_overrides(tree: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A copy of `tree` with dotted keys set, their values read as YAML: `train.seed=2`."""
    result = copy.deepcopy(tree)
    for override in overrides:
        dotted, equals, value = override.partition("=")
        *parents, last = dotted.split(".")
        if not equals or not last:
            raise UserError(f"override '{override}': write it as key.key=value")
        node = result
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise UserError(f"override '{override}': '{key}' holds a value, not a mapping")
        try:
            node[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"override '{override}': the value is not YAML") from None
    return result


def check_settings(kind: type[SettingsType], tree: dict[str, Any], where: str) -> SettingsType:
    """Turn a mapping into settings; `where` (a file's name) begins the error."""
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{where}: {_explain(kind, error)}") from None


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    errors = error.errors()
    # A key mistyped is unknown, and often also missing under its right name: say the former.
    first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'{nearest(str(first['loc'][-1]), _known_keys(kind, first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"key '{key}' is missing"
    reason = first["msg"]
    if isinstance(first["input"], bool) and first["type"] == "string_type":
        reason += "; YAML reads yes, no, on, off, true and false as booleans: put the word in quotes"
    return f"key '{key}': {reason}" if key else reason


def _known_keys(kind: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    kinds = [kind]
    for part in path:
        fields = [kind.model_fields[part] for kind in kinds if part in kind.model_fields]
        inner = [candidate for field in fields for candidate in _parts(field.annotation)]
        # A part that is no field is a key of a mapping, or the value that tells records of a union apart.
        alike = [kind for kind in kinds if any(field.default == part for field in kind.model_fields.values())]
        kinds = [c for c in inner if isinstance(c, type) and issubclass(c, BaseModel)] or alike or kinds
    return list(kinds[0].model_fields)


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]
