"""What every run does around the stepping loop: start or go on, log, save at the right moments."""

import signal
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.data.order import Cursor
from ernie_paddle.errors import UserError
from ernie_paddle.files import read_json
from ernie_paddle.locks import locked_folder
from ernie_paddle.ranks import Ranks
from ernie_paddle.stopping import Stopped, postponed_stop
from ernie_paddle.training import checkpoint
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.initial import Initial, initialise
from ernie_paddle.training.loss_scale import LossScale
from ernie_paddle.training.plan import PlannedUpdate
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.run_settings import Resume
from ernie_paddle.training.trainer import Progress, Trainer

SECONDS_TO_BE_NAMED = 8.0


@contextmanager
def run_folder(out: Path, ranks: Ranks) -> Iterator[None]:
    """Make the run's folder and keep other runs out of it; the first rank does so for all.

    Raises:
        UserError: another run is at work in it.
    """
    with locked_folder(out) if ranks.leads else nullcontext():
        yield


def start(trainer: Trainer, out: Path, identity: dict[str, Any], resume: Resume, init: Initial | None) -> None:
    """Bring a new trainer to where the run begins.

    Args:
        identity: everything that decides the result, as JSON; a resumed run must have the same.
        resume: whether to resume from the newest complete checkpoint in `out`; "auto" if there is one.
        init: take parameters, and nothing else, from this model.

    Raises:
        UserError: `out` holds a run and `resume` is "no", or none and it is "yes", or the run there is another one.
    """
    console = open_console(stderr=True, quiet=not trainer.ranks.leads)
    if resume == "no" and checkpoint.checkpoints(out):
        raise UserError(f"{out}: holds checkpoints; resume with --resume, or choose another --out")
    newest = None
    if resume != "no":
        newest = checkpoint.newest_whole(out, report=lambda line: console.print(line, soft_wrap=True))
    if newest:
        _restore(trainer, newest, identity)
        done = trainer.progress.update == trainer.plan.total
        console.print(
            f"{newest}: finished, nothing left to train" if done else f"resuming from {newest}", soft_wrap=True
        )
    elif resume == "yes":
        raise UserError(f"{out}: no complete checkpoint to resume from; --resume auto starts anew where there is none")
    elif resume == "auto":
        console.print(f"{out}: no complete checkpoint to resume from, starting anew", soft_wrap=True)
    if init and not newest:
        initialise(trainer, init, console)
    print_warnings(console, without_effect(trainer.train, trainer.impl, trainer.plan))
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
    trainer: Trainer,
    out: Path,
    identity: dict[str, Any],
    evaluate: Callable[[PlannedUpdate, RunLog], None],
    evaluate_at: Container[int],
) -> None:
    """Run what is left of the plan; save every `save_every` updates and at the end of each stage.

    Args:
        evaluate: scores the trainer's model; called after the updates `evaluate_at`, before a checkpoint is written.

    Raises:
        Stopped: Ctrl-C or SIGTERM came; a checkpoint was written.
    """
    with RunLog(out, trainer) as log, postponed_stop() as signal_that_came, dead_ranks_first(trainer.ranks):
        for step in trainer.updates(lambda: signal_that_came() is not None):
            log.step(step)
            number = step.planned.number
            stage_over = number == trainer.plan.end_of(step.planned.stage)
            saves = stage_over or step.stops or number % trainer.impl.save_every == 0
            if saves or number in evaluate_at:
                log.flush()
                if number in evaluate_at:
                    evaluate(step.planned, log)
                if saves:
                    save(trainer, out, identity)
                log.restart_clock()
            # Between the stages, too: their scoring takes time, and after the last one there is no step that would ask.
            if step.stops or (stage_over and trainer.session.any_of_ranks(signal_that_came() is not None)):
                trainer.session.meet()  # until the checkpoint is written: launchers end a job with its first process
                raise Stopped(
                    signal_that_came() or signal.SIGTERM,  # another rank's
                    f"{out}/step_{number} is complete, resume from it with --resume",
                )


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
    except OSError as error:
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
