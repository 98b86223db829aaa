"""The check of exported models on a device."""

import numpy as np

from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, model_config, on_devices
from ernie_paddle.checks.traces import Workload, initial_parameters, workload
from ernie_paddle.inference.backends import open_backend
from ernie_paddle.inference.export import export
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.saved import Model, save_model
from ernie_paddle.programs.check_record import Figure
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.training.benchmark import random_samples

TOLERANCE = 1e-3
ROWS, LENGTH = 4, 48


def exported_model(programs: Programs, bench: Bench) -> Outcome:
    """Export an encoder, and compare what the export computes on the device and on the CPU."""
    work = workload(model_config(programs.sizes), bench.registry, (8,))
    folder, exported = bench.folder / "model", bench.folder / "exported"
    folder.mkdir()
    save_model(folder, _model(work, bench))
    difference = export(folder, exported, bench.registry).difference
    ids = generator("check", "export").integers(5, work.config.vocab_size, (ROWS, LENGTH))
    feed = {"input_ids": ids, "sentence_ids": np.zeros_like(ids)}
    on_cpu = open_backend(exported, on_gpu=False).run(feed)
    figures: dict[str, Figure] = {"export against programs": difference}
    passed = True
    for precision in ("fp32", *(("bf16",) if "bf16" in programs.low else ())):
        on_device = open_backend(exported, on_gpu=True, precision=precision).run(feed)
        pairs = list(zip(on_device, on_cpu, strict=True))
        error = max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in pairs)
        figures[f"device against CPU, {precision}"] = error
        passed &= precision != "fp32" or error <= TOLERANCE
    return Outcome(passed, figures)


def _model(work: Workload, bench: Bench) -> Model:
    vocabulary, _, _ = random_samples(work.config, bench.registry, np.array([8]))
    return Model(work.config, vocabulary, initial_parameters(work, Cpu()))


CHECKS = (
    Check(
        15,
        "export",
        "predictions that differ from those of training",
        "nothing: predict on the CPU (on_gpu=False)",
        exported_model,
        on_devices,
    ),
)
