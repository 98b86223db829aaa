"""`ernie-paddle config`."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from ernie_paddle.config import add_overrides, apply_overrides, read_config
from ernie_paddle.errors import UserError
from ernie_paddle.registry import Command, Registry, nearest


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="recipe, plan config or corpora config")
    parser.add_argument("key", nargs="?", help="dotted key, as data.folder (default: print all keys)")
    add_overrides(parser, "train.seed=2")


def run(args: argparse.Namespace, registry: Registry) -> None:
    tree, names = read_config(args.config)
    tree = apply_overrides(tree, args.set)
    value = value_of(tree, args.key, names) if args.key else tree
    print(value if isinstance(value, str) else dumped(value))


def value_of(tree: Any, key: str, where: str) -> Any:
    """Return the value of a dotted key.

    Raises:
        UserError: there is no such key. `where` begins the message.
    """
    for part in key.split("."):
        known = tree if isinstance(tree, dict) else {}
        if part not in known:
            raise UserError(f"{where}: no key '{key}'{nearest(part, list(map(str, known)))}")
        tree = known[part]
    return tree


def dumped(value: Any) -> str:
    """Return a value as YAML, without the end mark of single values."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).removesuffix("...\n").rstrip("\n")


COMMAND = Command(
    name="config",
    help="print a config with what it extends and --set applied, or the value of one key",
    example="ernie-paddle config configs/finetune/glue/rte.yaml\n"
    "  ernie-paddle config configs/finetune/glue/rte.yaml data.folder",
    configure=configure,
    run=run,
)
