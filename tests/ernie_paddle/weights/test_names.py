"""The table of names against the parameters that our programs declare."""

import pytest
from weights_support import SIZES

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.weights.names import Library, Part, names_of, prefix_of


@pytest.mark.parametrize("use_task_id", [False, True])
def test_the_release_names_and_shapes_are_those_of_our_programs(use_task_id: bool) -> None:
    config = ErnieConfig(**SIZES, hidden_act="gelu", use_task_id=use_task_id)
    tasks = load_plugins().pretraining_tasks
    session = Session(config, 1, AdamSettings())
    declared = session.parameter_shapes([tasks.get("knowledge_masking"), tasks.get("sentence_distance")])
    named = {
        name.ours: name.shape
        for name in names_of("ours", config)
        if name.part is not Part.OTHER_HEAD and (use_task_id or name.part is not Part.TASK_EMBEDDING)
    }
    assert named == {name: shape for name, shape in declared.items() if not name.startswith("sentence_distance")}


@pytest.mark.parametrize("library", ["release", "paddlenlp", "huggingface"])
def test_no_two_parameters_have_the_same_name(library: Library) -> None:
    names = names_of(library, ErnieConfig(**SIZES, hidden_act="gelu"), "ernie.")
    assert len({name.ours for name in names}) == len({name.theirs for name in names}) == len(names)


@pytest.mark.parametrize("prefix", ["", "ernie.", "bert.", "0.auto_model."])
def test_the_prefix_is_what_stands_before_the_encoders_names(prefix: str) -> None:
    names = [name.theirs for name in names_of("huggingface", ErnieConfig(**SIZES, hidden_act="gelu"), prefix)]
    assert prefix_of(names) == prefix
    assert prefix_of(["classifier.weight"]) == ""
