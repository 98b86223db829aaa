"""Predictions by onnxruntime on the CPU, of the model of `torch_inference.py` as exported by PyTorch.

usage: onnxruntime_inference.py FOLDER BATCHES THREADS fp32|int8
"""

import io
import sys
import warnings
from pathlib import Path

import onnxruntime
import torch
from bert import classifier
from onnxruntime.quantization import quantize_dynamic

sys.path.insert(0, str(Path(__file__).parents[1]))
from batches import read_batches
from stepping import serve

INPUTS = ["input_ids", "attention_mask"]


def main() -> None:
    folder, batch_folder, threads, precision = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    exported = onnx_model(Path(folder))
    if precision == "int8":
        exported = quantized(Path(folder), exported)
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    batches = [batch["ids"] for batch in read_batches(Path(batch_folder))]

    def step(number: int) -> int:
        ids = batches[number % len(batches)]
        session.run(None, dict(zip(INPUTS, (ids, ids * 0 + 1), strict=True)))
        return ids.size

    serve(step)


def quantized(folder: Path, exported: bytes) -> str:
    """Return the path of the model in int8, quantised with onnxruntime's defaults."""
    path = folder / "peer.onnx"
    path.write_bytes(exported)
    quantize_dynamic(path, folder / "peer_int8.onnx")
    return str(folder / "peer_int8.onnx")


def onnx_model(folder: Path) -> bytes:
    """Export the model for any number of samples of any length."""
    buffer, ids = io.BytesIO(), torch.ones((2, 8), dtype=torch.int64)
    model = classifier(folder)
    axes = {name: {0: "samples", 1: "length"} for name in INPUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the older exporter, which needs no further packages
        torch.onnx.export(
            model, (ids, ids), buffer, input_names=INPUTS, output_names=["logits"], dynamic_axes=axes, dynamo=False
        )
    return buffer.getvalue()


main()
