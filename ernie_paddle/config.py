"""Strict YAML configuration: unknown keys are errors that name the nearest known one."""

import argparse
import copy
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_text
from ernie_paddle.registry import nearest

SHIPPED = Path(__file__).with_name("configs")  # a link in the repository, a folder in what is installed
Names = TypeVar("Names", list[str], tuple[str, ...])
BOOLEANS = "YAML reads yes, no, on, off, true and false as booleans"


def file_name(name: str) -> str:
    """Return a name under which something will be written; a `ValueError` if it would not stay in its folder."""
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"'{name}' names files or folders, so that it holds no '/' and does not begin with a point")
    return name


def each_once(names: Names) -> Names:
    """Return names; a `ValueError` if one is there twice."""
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise ValueError(f"'{twice}' is there twice; give each once")
    return names


FileName = Annotated[str, AfterValidator(file_name)]


class Settings(BaseModel):
    """Base of all configuration records: immutable, no unknown keys, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, tree: Any) -> Any:
        """Refuse what pydantic would take for something else: a boolean for 0 or 1, no text for the working folder."""
        for name, field in cls.model_fields.items():
            value = tree.get(name) if isinstance(tree, dict) else None
            given, kinds = value if isinstance(value, list) else [value], _parts(field.annotation)
            if any(isinstance(one, bool) for one in given) and _is_number(kinds):
                raise ValueError(f"{name}: found a boolean, expected a number; {BOOLEANS}")
            if "" in given and Path in kinds:
                raise ValueError(f"{name}: an empty text is no path")
        return tree


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
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=text)


def shipped(path: Path) -> Path:
    """The file that a configuration's path means: where `configs/...` is not in the working folder, the package's own.

    Only the configuration itself is found so; paths that it holds stay relative to the working folder.
    """
    own = SHIPPED / path.relative_to(SHIPPED.name) if path.parts[:1] == (SHIPPED.name,) else path
    return own if own.is_file() and not path.exists() else path


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping; `configs/...` may be a shipped one.

    Raises:
        UserError: file missing, not YAML, no mapping.
    """
    try:
        tree = _parsed(read_text(shipped(path), "configuration file"))
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected a mapping of keys to values at the top")
    return tree


def apply_overrides(tree: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A copy of `tree` with dotted keys set, their values read as YAML: `train.seed=2`."""
    result = copy.deepcopy(tree)
    given: set[str] = set()
    for override in overrides:
        dotted, equals, value = override.partition("=")
        if dotted in given:
            raise UserError(f"override '{override}': '{dotted}' is given twice; keep one")
        given.add(dotted)
        *parents, last = dotted.split(".")
        if not equals or not last:
            raise UserError(f"override '{override}': write it as key.key=value")
        node = result
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise UserError(f"override '{override}': '{key}' holds a value, not a mapping")
        try:
            node[last] = _parsed(value)
        except ValueError as error:
            raise UserError(f"override '{override}': the value is not YAML: {error}") from None
    return result


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping, of which YAML's own would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key '{key.value}' is there twice", problem_mark=key.start_mark
                    )
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def _parsed(text: str) -> Any:
    """Parse YAML. A `ValueError` in one line says what is wrong."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of dates such as 2020-13-45
        raise ValueError(" ".join(str(error).split())) from None


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
        reason += f"; {BOOLEANS}: put the word in quotes"
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


def _is_number(kinds: list[Any]) -> bool:
    """Do the parts of an annotation take numbers, but neither booleans nor mappings?"""
    taken = {get_origin(kind) or kind for kind in kinds if isinstance(get_origin(kind) or kind, type)}
    return bool({int, float} & taken) and not {bool, dict} & taken


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for inner in get_args(annotation) for part in _parts(inner))]
