"""Models on disk: a cased vocabulary is never read as a lower-cased one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from weights_support import assert_equal, random_model

from ernie_paddle.errors import UserError
from ernie_paddle.model.saved import load_model, save_model

CONFIG = "tokenizer_config.json"


@pytest.fixture(params=[True, False], ids=["lower-cased", "cased"])
def lower_case(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def folder(tmp_path: Path, lower_case: bool) -> Path:
    model = random_model()
    save_model(tmp_path, replace(model, vocabulary=replace(model.vocabulary, lower_case=lower_case)))
    return tmp_path


def test_a_model_keeps_its_case_in_a_listed_file(folder: Path, lower_case: bool) -> None:
    model = random_model()
    assert_equal(load_model(folder), replace(model, vocabulary=replace(model.vocabulary, lower_case=lower_case)))
    listed = (folder / "SHA256SUMS").read_text()
    assert (folder / CONFIG).exists() == (CONFIG in listed) == (not lower_case)


def test_the_case_of_a_model_can_be_neither_lost_nor_changed(folder: Path, lower_case: bool) -> None:
    (folder / CONFIG).write_text(json.dumps({"do_lower_case": not lower_case}))
    with pytest.raises(UserError, match=f"{CONFIG}: damaged or changed|does not list {CONFIG}"):
        load_model(folder)
    (folder / CONFIG).unlink()
    if lower_case:
        load_model(folder)
    else:
        with pytest.raises(UserError, match=f"{CONFIG}: missing"):
            load_model(folder)
