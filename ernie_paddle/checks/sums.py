"""The check of sums over the ranks of one machine. The ranks run this module as a program."""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, programs_of_this_machine
from ernie_paddle.checks.jobs import last_line, started_job, wait
from ernie_paddle.checks.numerics import sample_workload
from ernie_paddle.checks.operators import summed_in_a_program
from ernie_paddle.checks.traces import RATE, Agreement, Workload, session_of
from ernie_paddle.files import read_json, write_json
from ernie_paddle.keyed_random import generator
from ernie_paddle.model.saved import load_tensors
from ernie_paddle.programs.check_record import Figure
from ernie_paddle.programs.session import Session
from ernie_paddle.ranks import Ranks
from ernie_paddle.registry import load_plugins

STEPS = 3
SUM_ERROR, PARAMETER_ERROR = 1e-5, 1e-3
ON_GPU = (1, 1 << 10, 1 << 20, 110 << 20)  # float32 values in a message, up to the gradients of a base model
ON_CPU = (1, 1 << 10, 1 << 20)
ROUNDS = 3
CONNECTED_SECONDS = 240.0


def sums_over_ranks(programs: Programs, bench: Bench) -> Outcome:
    """Sum over ranks on both rings against numpy; train the same micro-batches on all ranks and on one."""
    folder = bench.folder / "sums"
    with started_job(["-m", "ernie_paddle.checks.sums", folder], bench.ranks, folder) as job:
        codes = wait(job, CONNECTED_SECONDS)
    if codes != [0] * bench.ranks:
        failed = next(rank for rank, code in enumerate(codes) if code != 0)
        return Outcome(False, {"exit codes": str(codes)}, f"rank {failed}: {last_line(folder, failed)[-300:]}")
    ranks = [read_json(folder / f"rank.{rank}.json", "the record of a rank") for rank in range(bench.ranks)]
    error = max(record["error"] for record in ranks)
    work = sample_workload(programs, bench, dropout=0.1)
    alone = trained(work, session_of(work, programs.backend()), range(bench.ranks))
    difference = Agreement.of(load_tensors(folder / "parameters.safetensors"), alone.parameters()).error
    figures: dict[str, Figure] = {"ranks": bench.ranks, "error of sums": error, "against one rank": difference}
    figures |= ranks[0]["bandwidth"]
    return Outcome(error <= SUM_ERROR and difference <= PARAMETER_ERROR, figures)


def trained(work: Workload, session: Session, micro_batches: range) -> Session:
    """Train for some steps, each of these micro-batches of the workload with its own dropout."""
    weights = work.loss_weights / session.ranks.world / len(micro_batches)
    for step in range(STEPS):
        for i in micro_batches:
            session.add_gradients((work.task,), work.feed, weights, 100 * step + i + 1)
        session.update((work.task,), RATE)
    return session


def run_rank(folder: Path) -> None:
    """Sum and train as one of the ranks; write what it found."""
    ranks, programs = Ranks.of_this_process(), programs_of_this_machine()[0]
    bench = Bench(load_plugins(), folder, ranks.world)
    work = sample_workload(programs, bench, dropout=0.1)
    session = session_of(work, programs.backend(), ranks)
    errors, bandwidth = [0.0], {}
    for size in ON_GPU if programs.is_gpu else ON_CPU:
        shared = generator("check", "sums", size).standard_normal(size, np.float32)
        own = shared * np.float32(ranks.rank + 1)
        expected = shared * (ranks.world * (ranks.world + 1) / 2)
        scale = float(np.abs(expected).max())
        found = session.collectives.all_reduce(own)
        in_program, seconds = summed_in_a_program(session.backend, own, ROUNDS, session.barrier)
        errors += [float(np.abs(sums - expected).max()) / scale for sums in (found, in_program)]
        bandwidth[f"GB/s of {4 * size:,} bytes"] = 4e-9 * size / seconds
    trained(work, session, range(ranks.rank, ranks.rank + 1))
    session.check_equal()
    if ranks.is_main_process:
        save_file(session.parameters(), folder / "parameters.safetensors")
    write_json(folder / f"rank.{ranks.rank}.json", {"error": max(errors), "bandwidth": bandwidth})
    session.barrier()


def several_ranks(programs: Programs, bench: Bench) -> str:
    """For checks of several ranks."""
    if programs.place is None:
        return "not of a device"
    return "" if bench.ranks > 1 else "needs --ranks 2 or more"


CHECKS = (
    Check(
        10,
        "sums over ranks",
        "ranks that train apart, messages that are lost or slow",
        "nothing: train on one device",
        sums_over_ranks,
        several_ranks,
    ),
)

if __name__ == "__main__":
    run_rank(Path(sys.argv[1]))
