"""Strict YAML configuration: an unknown key is an error that names the nearest known one."""

import argparse
import copy
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ernie_paddle.config_errors import BOOLEANS, MISREAD, annotation_parts, explain
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_text

SHIPPED = Path(__file__).with_name("configs")  # a link in the repository, a folder in the installed package
EXTENDS = "extends"
Names = TypeVar("Names", list[str], tuple[str, ...])


def file_name(name: str) -> str:
    """Return `name`, or raise a `ValueError` if it cannot name a file or folder inside another folder."""
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"'{name}' names files or folders: it must not be empty, contain '/' or begin with '.'")
    return name


def each_once(names: Names) -> Names:
    """Return `names`, or raise a `ValueError` if one occurs twice."""
    repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if repeated is not None:
        raise ValueError(f"'{repeated}' occurs twice; give each name once")
    return names


FileName = Annotated[str, AfterValidator(file_name)]


class Settings(BaseModel):
    """The base class of all settings: immutable, without unknown keys and infinite numbers.

    The docstring of a field is its meaning in the reference of the configuration.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, tree: Any) -> Any:
        """Reject values that pydantic would silently convert: a boolean to 0 or 1, an empty text to the folder `.`."""
        for name, field in cls.model_fields.items():
            value = tree.get(name) if isinstance(tree, dict) else None
            values, types = _entries(value), list(annotation_parts(field.annotation))
            reason = ""
            if any(isinstance(value, bool) for value in values) and _is_number(types):
                reason = f"expected a number, found a boolean; {BOOLEANS}"
            if "" in values and Path in types:
                reason = "an empty text is no path"
            if reason:
                raise PydanticCustomError(MISREAD, "{reason}", {"key": name, "reason": reason})
        return tree


class NoOptions(Settings):
    """The options of a task or sample builder that has none."""


SettingsType = TypeVar("SettingsType", bound=Settings)


def load_settings(settings_type: type[SettingsType], path: Path | str, overrides: Sequence[str] = ()) -> SettingsType:
    """Read a config, apply `a.b=value` overrides and check it against `settings_type`.

    Raises:
        UserError: a file is missing or not YAML, a key is unknown, or a value has the wrong type.
    """
    tree, names = read_config(Path(path))
    return check_settings(settings_type, apply_overrides(tree, overrides), names)


def add_overrides(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the option `--set key=value ...` to a command."""
    text = f"override dotted keys of the file, as {example}"
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=text)


def shipped(path: Path) -> Path:
    """Resolve the path of a config: a `configs/...` that the working folder lacks is the package's own file.

    Of the paths inside a config, only `extends` is resolved like this. All others are relative to the working folder.
    """
    own = SHIPPED / path.relative_to(SHIPPED.name) if path.parts[:1] == (SHIPPED.name,) else path
    return own if own.is_file() and not path.exists() else path


def read_config(path: Path) -> tuple[dict[str, Any], str]:
    """Read a config and lay it over the config that its key `extends` names, a path relative to the config's folder.

    Returns the merged tree, and the files that it comes from, for errors: `a.yaml extends b.yaml`.

    Raises:
        UserError: a file is missing or holds no YAML mapping, or a config extends itself. The message names the chain.
    """
    chain, layers, names = [path], [read_yaml(path)], str(path)
    while (base := layers[-1].pop(EXTENDS, None)) is not None:
        if not isinstance(base, str):
            raise UserError(f"{names}: key '{EXTENDS}': expected the path of a config")
        chain.append(chain[-1].parent / base)
        names = f"{names} extends {chain[-1]}"
        if shipped(chain[-1]).resolve() in (shipped(extended).resolve() for extended in chain[:-1]):
            raise UserError(f"{names}: a config cannot extend itself; remove one '{EXTENDS}'")
        try:
            layers.append(read_yaml(chain[-1]))
        except UserError as error:
            raise UserError(f"{names}: {error}") from None
    return reduce(lambda base, config: lay_over(config, base), reversed(layers)), names


def lay_over(above: Any, below: Any) -> Any:
    """Merge two trees: the keys of `above` replace those of `below`, mapping by mapping; other values as a whole."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: lay_over(value, below.get(key)) for key, value in above.items()}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping. `configs/...` may be a file of the package (see `shipped`).

    Raises:
        UserError: the file is missing, not YAML, or holds no mapping.
    """
    try:
        tree = _parsed(read_text(shipped(path), "configuration file"))
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected a mapping of keys to values at the top")
    return tree


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `tree` with dotted keys set to YAML values: `train.seed=2`."""
    result = copy.deepcopy(tree)
    overridden: set[str] = set()
    for override in overrides:
        dotted, equals, value = override.partition("=")
        if dotted in overridden:
            raise UserError(f"override '{override}': '{dotted}' is given twice; keep one")
        overridden.add(dotted)
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
    """A loader that rejects repeated keys of a mapping, of which YAML's own loader silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key '{key.value}' occurs twice", problem_mark=key.start_mark
                    )
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def _parsed(text: str) -> Any:
    """Parse YAML, or raise a `ValueError` with a message in one line."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError for dates such as 2020-13-45
        raise ValueError(" ".join(str(error).split())) from None


def check_settings(settings_type: type[SettingsType], tree: dict[str, Any], where: str) -> SettingsType:
    """Return the settings that a mapping holds, or raise a `UserError`. `where` (a file's name) begins its message."""
    try:
        return settings_type.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(settings_type, tree, error)}") from None


def _entries(value: Any) -> list[Any]:
    """Return the entries of a list or mapping, or else the value alone."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _is_number(types: list[Any]) -> bool:
    """Check that the parts of an annotation accept numbers, but no booleans."""
    accepted = {get_origin(part) or part for part in types if isinstance(get_origin(part) or part, type)}
    return bool({int, float} & accepted) and bool not in accepted
