"""`encode` and `fill-mask` write what the encoder returns, in every format, as rows come."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import Run, assert_user_error, files_at_most
from weights_support import random_model

from ernie_paddle import Encoder
from ernie_paddle.cli import main
from ernie_paddle.inference.vector_files import NpyWriter, open_vectors
from ernie_paddle.inputs import input_rows
from ernie_paddle.model.saved import save_model

TEXTS = ["w1 w2", "", "w3 " * 30, "w4\tw5"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, random_model(use_task_id=True))
    return folder


@pytest.fixture(scope="module")
def encoder(model: Path) -> Encoder:
    return Encoder.load(model)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


def expected(encoder: Encoder, pooling: Any) -> Any:
    rows = encoder.stream(input_rows(TEXTS), pooling)
    return [row.vectors for row in rows]  # type: ignore[union-attr]


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooled"])
def test_vectors_of_texts_are_written_in_every_format(
    run: Run, model: Path, encoder: Encoder, texts: Path, tmp_path: Path, pooling: str
) -> None:
    vectors = np.stack(expected(encoder, pooling))
    for suffix in ("npy", "arrow", "jsonl"):
        output = tmp_path / f"vectors.{suffix}"
        code, stderr = run("encode", model, "--input", texts, "--output", output, "--pooling", pooling)
        assert code == 0 and stderr == f"{texts}: 1 of 4 texts have more than 16 tokens and were cut\n"
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors)
    table = pa.ipc.open_file(tmp_path / "vectors.arrow").read_all()
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 24)
    assert table["index"].to_pylist() == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), vectors)
    records = [json.loads(line) for line in (tmp_path / "vectors.jsonl").read_text().splitlines()]
    assert [list(record) for record in records] == [["index", "embedding"]] * 4
    np.testing.assert_array_equal(np.float32([record["embedding"] for record in records]), vectors)


def test_vectors_of_tokens_come_with_their_tokens(
    run: Run, model: Path, encoder: Encoder, texts: Path, tmp_path: Path
) -> None:
    vectors = expected(encoder, "tokens")
    for suffix in ("arrow", "jsonl"):
        code, stderr = run(
            "encode", model, "--input", texts, "--output", tmp_path / f"v.{suffix}", "--pooling", "tokens"
        )
        assert code == 0, stderr
    records = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    table = pa.ipc.open_file(tmp_path / "v.arrow").read_all()
    assert records[0]["tokens"] == ["[CLS]", "w1", "w2", "[SEP]"] and records[1]["tokens"] == ["[CLS]", "[SEP]"]
    assert table["tokens"].to_pylist() == [record["tokens"] for record in records]
    for record, embedding, of_tokens in zip(records, table["embedding"].to_pylist(), vectors, strict=True):
        np.testing.assert_array_equal(np.float32(record["embedding"]), of_tokens)
        np.testing.assert_array_equal(np.float32(embedding), of_tokens)
    code, stderr = run("encode", model, "--input", texts, "--output", tmp_path / "v.npy", "--pooling", "tokens")
    assert_user_error(code, stderr, "v.npy: an array has no room for which token is which")


def test_the_arrays_of_the_release_hold_pooled_first_tokens_and_all_tokens_end_to_end(
    run: Run, model: Path, encoder: Encoder, texts: Path, tmp_path: Path
) -> None:
    code, stderr = run("encode", model, "--input", texts, "--release", "--output", tmp_path / "out")
    assert code == 0, stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cls_emb.npy", "top_layer_emb.npy"}
    np.testing.assert_allclose(np.load(tmp_path / "out" / "cls_emb.npy"), expected(encoder, "pooled"), atol=1e-6)
    tokens = np.concatenate(expected(encoder, "tokens"))
    np.testing.assert_allclose(np.load(tmp_path / "out" / "top_layer_emb.npy"), tokens, atol=1e-6)
    for options in (["--output", tmp_path / "out"], ["--output", tmp_path / "new", "--normalize"], []):
        code, stderr = run("encode", model, "--input", texts, "--release", *options)
        assert_user_error(code, stderr, "is not empty" if options[1:2] == [tmp_path / "out"] else "--release: needs")


def test_bad_rows_keep_their_places_in_every_format(run: Run, model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('"w1"\n{"text": "w2"}\n["w3", "w4"]\n')
    for name in ("v.npy", "v.arrow", "v.jsonl", "release"):
        options = ["--layout", "jsonl", "--input", rows, "--output", tmp_path / name]
        options += ["--release"] if name == "release" else []
        assert_user_error(*run("encode", model, *options), f"{rows} line 2: unknown key 'text'")
        assert not (tmp_path / name).exists()
        code, stderr = run("encode", model, *options, "--skip-bad")
        assert code == 0 and f"{rows} line 2: unknown key 'text'" in stderr and "1 bad rows were left out" in stderr
    assert np.isnan(np.load(tmp_path / "v.npy")).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(np.load(tmp_path / "release" / "cls_emb.npy")).all(axis=1).tolist() == [False, True, False]
    assert len(np.load(tmp_path / "release" / "top_layer_emb.npy")) == 3 + 5
    embedding = pa.ipc.open_file(tmp_path / "v.arrow").read_all()["embedding"]
    assert [vector is None for vector in embedding.to_pylist()] == [False, True, False]
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [["index", "embedding"], ["index", "error"], ["index", "embedding"]]


def test_outputs_that_are_no_vectors_are_refused(run: Run, model: Path, texts: Path, tmp_path: Path) -> None:
    code, stderr = run("encode", model, "--input", texts, "--output", tmp_path / "v.txt")
    assert_user_error(code, stderr, "v.txt: vectors are .npy, .arrow or .jsonl files")


@pytest.mark.parametrize("format", ["npy", "arrow", "jsonl", "release"])
def test_a_disk_that_fills_up_is_named_and_nothing_is_left(encoder: Encoder, tmp_path: Path, format: Any) -> None:
    rows = list(encoder.stream(input_rows(["w1"] * 200), "tokens" if format == "release" else "mean"))
    with (
        files_at_most(5_000),
        pytest.raises(OSError, match=r"File too large.*out"),
        open_vectors(tmp_path / "out", format, encoder, "mean") as writer,
    ):
        for row in rows:
            writer.write(row)
    assert not list(tmp_path.iterdir())


def test_a_model_for_which_there_is_no_room_is_named(run: Run, model: Path, texts: Path, tmp_path: Path) -> None:
    with files_at_most(1_000):
        code, stderr = run("encode", model, "--input", texts, "--output", tmp_path / "v.npy")
    assert_user_error(code, stderr, str(model), "free space there, or set TMPDIR")


@pytest.mark.parametrize("rows", [0, 1, 12_345])
def test_an_array_may_grow_to_any_number_of_rows(rows: int) -> None:
    file = io.BytesIO()
    writer = NpyWriter(file, 3)
    vectors = np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)
    for vector in vectors:
        writer.write_vectors(vector)
    writer.close()
    file.seek(0)
    np.testing.assert_array_equal(np.load(file), vectors)
    assert np.load(io.BytesIO(file.getvalue())).shape == (rows, 3)


def test_masks_are_filled_as_a_table_and_as_json_lines(
    capsys: pytest.CaptureFixture[str], model: Path, encoder: Encoder, tmp_path: Path
) -> None:
    best = encoder.fill_mask("w1 [MASK]", 2)
    main(["fill-mask", str(model), "--text", "w1 [MASK]", "[MASK][MASK]", "--top", "2"])
    printed = capsys.readouterr().out
    assert best[0].text in printed and f"{best[1].probability:.4f}" in printed
    (tmp_path / "rows").write_text("w1 [MASK]\nw2\n")
    command = ["fill-mask", str(model), "--input", str(tmp_path / "rows"), "--top", "2"]
    main([*command, "--skip-bad"])
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["index"] == "0" and [one["token"] for one in first["candidates"]] == [one.token for one in best]
    assert second == {
        "index": "1",
        "error": f"{tmp_path / 'rows'} line 2: 'w2': has no [MASK]; write it where a token is missing",
    }
    with pytest.raises(SystemExit):
        main(command)
    assert "rows line 2: 'w2': has no [MASK]" in capsys.readouterr().err


MEASURED = """
import resource, sys
from ernie_paddle.cli import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows_of_standard_input(model: Path, tmp_path: Path) -> None:
    peaks = []
    for rows in (4_000, 60_000):
        output = str(tmp_path / f"{rows}.npy")
        command = [sys.executable, "-c", MEASURED, "encode", str(model), "--input", "-", "--output", output]
        done = subprocess.run(command, input=b"w1 w2 w3\n" * rows, capture_output=True, check=True)
        assert np.load(output, mmap_mode="r").shape == (rows, 24)
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] < peaks[0] + 12, peaks  # in MB; a row that is kept takes about 1 KB
