"""What every run does around the stepping loop: start or go on, log, save at the right moments."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ernie_paddle.console import open_console
from ernie_paddle.data.order import Cursor
from ernie_paddle.errors import Preempted, UserError
from ernie_paddle.files import read_json
from ernie_paddle.ranks import Ranks
from ernie_paddle.training import checkpoint
from ernie_paddle.training.initial import Initial, initialise
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.trainer import Progress, Trainer

SECONDS_TO_BE_NAMED = 8.0


def start(trainer: Trainer, out: Path, identity: dict[str, Any], resume: bool, init: Initial | None) -> None:
    """Bring a new trainer to where the run begins.

    Args:
        identity: everything that decides the result, as JSON; a resumed run must have the same.
        resume: go on from the newest whole checkpoint in `out`, if there is one.
        init: take parameters, and nothing else, from this model.

    Raises:
        UserError: `out` holds a run and `resume` is off, or the run there is another one.
    """
    console = open_console(stderr=True, quiet=not trainer.ranks.leads)
    out.mkdir(parents=True, exist_ok=True)
    if not resume and checkpoint.checkpoints(out):
        raise UserError(f"{out}: holds checkpoints; go on with --resume, or choose another --out")
    newest = checkpoint.newest_whole(out, report=lambda line: console.print(line, soft_wrap=True)) if resume else None
    if newest:
        _restore(trainer, newest, identity)
        console.print(f"going on from {newest}", soft_wrap=True)
    elif resume:
        console.print(f"{out}: no whole checkpoint to go on from, starting with update 1", soft_wrap=True)
    if init and not newest:
        initialise(trainer, init, console)
    world, accumulation = trainer.ranks.world, trainer.train.accumulation
    if world > accumulation:
        console.print(
            f"{world} processes share {accumulation} micro-batches of an update, so that {world - accumulation} have "
            f"nothing to do; set train.accumulation={world} and smaller batches",
            soft_wrap=True,
        )
    trainer.session.take_from_first()
    trainer.session.check_equal()


def run_stages(
    trainer: Trainer, out: Path, identity: dict[str, Any], at_stage_end: Callable[[int, RunLog], None]
) -> None:
    """Run what is left of the plan; save every `save_every` updates and, after `at_stage_end`, with each stage.

    Raises:
        Preempted: SIGTERM came; a checkpoint was written.
    """
    with RunLog(out, trainer) as log, terminations() as asked_to_stop, dead_ranks_first(trainer.ranks):
        for step in trainer.updates(asked_to_stop):
            log.step(step)
            number, stage = step.planned.number, step.planned.stage
            stage_over = number == trainer.plan.end_of(stage)
            if stage_over or step.stops or number % trainer.impl.save_every == 0:
                log.flush()
                if stage_over:
                    at_stage_end(stage, log)
                save(trainer, out, identity)
                log.restart_clock()
            if step.stops or (stage_over and trainer.ranks.world == 1 and asked_to_stop()):
                raise Preempted(f"asked to stop; {out}/step_{number} is whole, go on with --resume")


@contextmanager
def terminations() -> Iterator[Callable[[], bool]]:
    """Within it SIGTERM is noted and does nothing else; gives a function that tells whether it came."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def dead_ranks_first(ranks: Ranks) -> Iterator[None]:
    """Wait before an error of a sum over the ranks, so that the launcher first meets, and names, the rank that died."""
    try:
        yield
    except RuntimeError:
        if ranks.world > 1:
            time.sleep(SECONDS_TO_BE_NAMED)
        raise


def save(trainer: Trainer, out: Path, identity: dict[str, Any]) -> None:
    """Write a checkpoint of the trainer and remove the oldest ones; the first rank alone does.

    Raises:
        UserError: the ranks differ, or the checkpoint cannot be written; those before it are whole.
    """
    trainer.session.check_equal()
    if not trainer.ranks.leads:
        return
    model = checkpoint.Model(trainer.config, trainer.vocabulary, trainer.session.parameters())
    cursors = {name: asdict(cursor) for name, cursor in trainer.progress.cursors.items()}
    state = {
        "cursors": cursors,
        "loss_scale": asdict(trainer.progress.loss_scale),
        "run": identity,
        checkpoint.LABELS: {name: task.objective.labels for name, task in trainer.tasks.items()},
    }
    try:
        checkpoint.save_checkpoint(out, trainer.progress.update, model, trainer.session.optimizer_state(), state)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{out}/step_{trainer.progress.update}: cannot be written ({error}); checkpoints before it are whole: "
            "make room, then go on with --resume"
        ) from None
    checkpoint.remove_old(out, trainer.impl.keep_checkpoints)


def _restore(trainer: Trainer, path: Path, identity: dict[str, Any]) -> None:
    state = read_json(path / checkpoint.STATE_FILE, "trainer state")
    then, now = _flattened(state["run"]), _flattened(identity)
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            raise UserError(
                f"{path}: cannot go on, {key} was {then.get(key)!r} and is {now.get(key)!r} now; "
                "set it back, or start a new run in another --out"
            )
    cursors = {name: Cursor(**cursor) for name, cursor in state["cursors"].items()}
    parameters = checkpoint.load_tensors(path / checkpoint.MODEL_FILE)
    optimizer = checkpoint.load_tensors(path / checkpoint.OPTIMIZER_FILE)
    progress = Progress(LossScale(**state["loss_scale"]), state["update"], cursors)
    trainer.restore(progress, parameters, optimizer)


def _flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
