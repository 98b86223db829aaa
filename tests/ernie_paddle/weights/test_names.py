"""The table of names against the parameters that our programs declare, and against names written by hand."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from weights_support import SIZES, random_model, write_model

from ernie_paddle.model.config import ErnieConfig
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.programs.session import Session
from ernie_paddle.registry import load_plugins
from ernie_paddle.settings import AdamSettings
from ernie_paddle.weights.lod_tensors import read_tensor
from ernie_paddle.weights.names import KnownHeads, Library, Part, names_of, prefix_of

# Release (`model/ernie.py`), PaddleNLP and Hugging Face (`model.named_parameters()` of `ErnieForPreTraining`).
# N is a layer's number; a name that ends in * stands for a weight and a bias.
NAMES = """
word_embedding                           ernie.embeddings.word_embeddings.weight       ernie.embeddings.word_embeddings.weight
pos_embedding                            ernie.embeddings.position_embeddings.weight   ernie.embeddings.position_embeddings.weight
sent_embedding                           ernie.embeddings.token_type_embeddings.weight ernie.embeddings.token_type_embeddings.weight
task_embedding                           ernie.embeddings.task_type_embeddings.weight  ernie.embeddings.task_type_embeddings.weight
pre_encoder_layer_norm_*                 ernie.embeddings.layer_norm.*                 ernie.embeddings.LayerNorm.*
encoder_layer_N_multi_head_att_query_fc.*  ernie.encoder.layers.N.self_attn.q_proj.*   ernie.encoder.layer.N.attention.self.query.*
encoder_layer_N_multi_head_att_key_fc.*    ernie.encoder.layers.N.self_attn.k_proj.*   ernie.encoder.layer.N.attention.self.key.*
encoder_layer_N_multi_head_att_value_fc.*  ernie.encoder.layers.N.self_attn.v_proj.*   ernie.encoder.layer.N.attention.self.value.*
encoder_layer_N_multi_head_att_output_fc.* ernie.encoder.layers.N.self_attn.out_proj.* ernie.encoder.layer.N.attention.output.dense.*
encoder_layer_N_post_att_layer_norm_*    ernie.encoder.layers.N.norm1.*                ernie.encoder.layer.N.attention.output.LayerNorm.*
encoder_layer_N_ffn_fc_0.*               ernie.encoder.layers.N.linear1.*              ernie.encoder.layer.N.intermediate.dense.*
encoder_layer_N_ffn_fc_1.*               ernie.encoder.layers.N.linear2.*              ernie.encoder.layer.N.output.dense.*
encoder_layer_N_post_ffn_layer_norm_*    ernie.encoder.layers.N.norm2.*                ernie.encoder.layer.N.output.LayerNorm.*
pooled_fc.*                              ernie.pooler.dense.*                          ernie.pooler.dense.*
mask_lm_trans_fc.*                       cls.predictions.transform.*                   cls.predictions.transform.dense.*
mask_lm_trans_layer_norm_*               cls.predictions.layer_norm.*                  cls.predictions.transform.LayerNorm.*
mask_lm_out_fc.b_0                       cls.predictions.decoder_bias                  cls.predictions.bias
next_sent_fc.*                           cls.seq_relationship.*                        cls.seq_relationship.*
"""  # noqa: E501


def names_by_hand() -> dict[str, tuple[str, str]]:
    """PaddleNLP's and Hugging Face's name of each parameter of a model of two layers, by the release's."""
    found = {}
    for row in NAMES.strip().splitlines():
        for layer in "01" if "_N_" in row else " ":
            ours, paddlenlp, huggingface = row.replace("_N_", f"_{layer}_").replace(".N.", f".{layer}.").split()
            if ours.endswith("*"):
                parts = ("scale", "bias") if "layer_norm" in ours else ("w_0", "b_0")
                for part, theirs in zip(parts, ("weight", "bias"), strict=True):
                    found[ours[:-1] + part] = (paddlenlp[:-1] + theirs, huggingface[:-1] + theirs)
            else:
                found[ours] = (paddlenlp, huggingface)
    return found


def test_every_parameter_is_written_under_its_name_and_matrices_turned_for_hugging_face_alone(tmp_path: Path) -> None:
    """This includes parameters of the same shape: query, key and value; scale and bias."""
    model = random_model(heads={"next_sent_fc": 2}, use_task_id=True)
    for layout in ("release", "paddlenlp", "huggingface"):
        write_model(layout, tmp_path / layout, model)
    released = {path.name: read_tensor(path)[0] for path in (tmp_path / "release" / "params").iterdir()}
    paddlenlp = pickle.loads((tmp_path / "paddlenlp" / "model_state.pdparams").read_bytes())
    huggingface = load_file(tmp_path / "huggingface" / "model.safetensors")
    with safe_open(tmp_path / "huggingface" / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}  # without it transformers does not load the file
    names = names_by_hand()
    assert set(names) == set(model.parameters) == set(released)
    copies = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # PaddleNLP stores them again
    assert set(paddlenlp) - copies == {name for name, _ in names.values()}
    assert set(huggingface) == {name for _, name in names.values()}
    for name, values in model.parameters.items():
        np.testing.assert_array_equal(released[name], values)
        np.testing.assert_array_equal(paddlenlp[names[name][0]], values)
        turned = values.T if name.endswith(".w_0") else values
        np.testing.assert_array_equal(huggingface[names[name][1]], turned)
    np.testing.assert_array_equal(paddlenlp["cls.predictions.decoder.weight"], model.parameters["word_embedding"])
    np.testing.assert_array_equal(paddlenlp["cls.predictions.decoder.bias"], model.parameters["mask_lm_out_fc.b_0"])


@pytest.mark.parametrize("use_task_id", [False, True])
def test_the_release_names_and_shapes_are_those_of_our_programs(use_task_id: bool) -> None:
    config = ErnieConfig(**SIZES, hidden_act="gelu", use_task_id=use_task_id)
    tasks = load_plugins().pretraining_tasks
    session = Session(config, 1, AdamSettings(), Cpu())
    declared = session.parameter_shapes([tasks.get("knowledge_masking"), tasks.get("sentence_distance")])
    named = {
        name.ours: name.shape
        for name in names_of("ours", config)
        if name.part is not Part.OTHER_HEAD and (use_task_id or name.part is not Part.TASK_EMBEDDING)
    }
    assert named == {name: shape for name, shape in declared.items() if not name.startswith("sentence_distance")}


@pytest.mark.parametrize("library", ["release", "paddlenlp", "huggingface"])
def test_no_two_parameters_have_the_same_name(library: Library) -> None:
    heads = KnownHeads.of(load_plugins()).finetuned
    names = names_of(library, ErnieConfig(**SIZES, hidden_act="gelu"), "ernie.", "QuestionAnswering", heads)
    assert ("cls_mrc_out.w_0" in {name.ours for name in names}) and len({head.ours for head in heads}) == 3
    assert len({name.ours for name in names}) == len({name.theirs for name in names}) == len(names)


@pytest.mark.parametrize("prefix", ["", "ernie.", "bert.", "0.auto_model."])
def test_the_prefix_is_the_beginning_of_the_encoders_names(prefix: str) -> None:
    names = [name.theirs for name in names_of("huggingface", ErnieConfig(**SIZES, hidden_act="gelu"), prefix)]
    assert prefix_of(names) == prefix
    assert prefix_of(["classifier.weight"]) == ""


def test_heads_are_those_of_the_registered_tasks() -> None:
    heads, shapes = KnownHeads.of(load_plugins()), {"w_0": (24, 3), "b_0": (3,)}
    tasks = ("sentence_reordering", "sentence_distance", "discourse_relation", "ir_relevance", "capitalization")
    assert set(heads.others) == {f"{task}_fc" for task in (*tasks, "token_document_relation")}
    names = [
        f"{head}.{end}" for head in ("capitalization_fc", "sentence_distance_fc", "a_fc", "cls_out") for end in shapes
    ]
    tensors = {name: np.zeros(shapes[name[-3:]], np.float32) for name in names}
    found = heads.with_others([], tensors)
    known = [f"{head}.{end}" for head in ("capitalization_fc", "sentence_distance_fc") for end in ("b_0", "w_0")]
    assert [(name.ours, name.theirs, name.part) for name in found] == [(name, name, Part.OTHER_HEAD) for name in known]
    assert [heads.of_class(suffix) for suffix in ("MultipleChoice", "TokenClassification", "MaskedLM")] == [
        "cls_out",
        "cls_seq_label_out",
        None,
    ]
