"""Options that take numbers and files say what they accept."""

import argparse
from pathlib import Path

import pytest

from ernie_paddle.arguments import input_file, positive, share


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many"])
def test_counts_are_whole_and_at_least_one(text: str) -> None:
    assert positive("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 1"):
        positive(text)


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
