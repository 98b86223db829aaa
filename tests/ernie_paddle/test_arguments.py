"""Options that take numbers and files say what they accept."""

import argparse
from pathlib import Path

import pytest

from ernie_paddle.arguments import input_file, positive, seed, share
from ernie_paddle.registry import load_plugins


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "²"])
def test_counts_are_whole_and_at_least_one(text: str) -> None:
    assert positive("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 1"):
        positive(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "", "²", str(2**32)])
def test_seeds_are_what_any_generator_takes(text: str) -> None:
    assert (seed("0"), seed(str(2**32 - 1))) == (0, 2**32 - 1)
    with pytest.raises(argparse.ArgumentTypeError, match="whole number from 0 to 4294967295"):
        seed(text)


def test_options_of_several_values_may_be_given_several_times() -> None:
    several = 0
    for command in load_plugins().commands:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        for action in parser._actions:
            if action.option_strings and action.nargs == "+":
                several += 1
                parsed = parser._registry_get("action", "extend")
                assert isinstance(action, parsed), f"{command.name} {action.option_strings}: the last would win"
    assert several >= 8


@pytest.mark.parametrize("text", ["0", "1", "-0.1", "nan", "half"])
def test_shares_lie_between_0_and_1(text: str) -> None:
    assert share("0.25") == 0.25
    with pytest.raises(argparse.ArgumentTypeError, match="between 0 and 1"):
        share(text)


def test_an_input_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").touch()
    assert input_file(str(tmp_path / "rows.tsv")) == tmp_path / "rows.tsv"
    for text, words in (("-", "standard input"), (str(tmp_path), "a folder"), (str(tmp_path / "no"), "not found")):
        with pytest.raises(argparse.ArgumentTypeError, match=words):
            input_file(text)
