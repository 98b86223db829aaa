"""The run around the training loop: start or resume, log, evaluate and save."""

import signal
import time
from collections import deque
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from zlib import crc32

from ernie_paddle.arguments import Resume
from ernie_paddle.console import open_console, print_warnings
from ernie_paddle.errors import Failure, UserError
from ernie_paddle.faults import fault_behind
from ernie_paddle.locks import locked_folder
from ernie_paddle.model import saved
from ernie_paddle.ranks import Ranks
from ernie_paddle.stopping import Stopped, postponed_stop
from ernie_paddle.training import checkpoint
from ernie_paddle.training.ineffective import without_effect
from ernie_paddle.training.run_log import RunLog
from ernie_paddle.training.stage_plan import PlannedStep
from ernie_paddle.training.trainer import Progress, Trainer

RECENT_STEPS = 100  # whose median a step's time is compared with
LONGER = 20  # times the median that a step may take
BUILDING = 600.0  # more seconds for a step whose programs must be built first


@contextmanager
def run_folder(out: Path, ranks: Ranks) -> Iterator[None]:
    """Create and lock the run's folder, on rank 0 only.

    Raises:
        UserError: another run uses the folder.
    """
    with locked_folder(out) if ranks.is_main_process else nullcontext():
        yield


@contextmanager
def ranks_together(out: Path, trainer: Trainer) -> Iterator[None]:
    """Leave the block when all ranks do, or with the first failure of one, which the other ranks learn.

    Raises:
        UserError: memory is full.
        Failure: a device or another rank failed.
    """
    try:
        yield
        trainer.session.barrier()  # launchers may end a job soon after its first process
    except BaseException as error:
        named = _named(error, out, trainer)
        reason = f"stopped by {named.name}" if isinstance(named, Stopped) else " ".join(str(named).split())
        trainer.session.collectives.rendezvous.report(reason or repr(named), getattr(named, "exit_code", 1))
        if named is error:
            raise
        raise named from error


def _named(error: BaseException, out: Path, trainer: Trainer) -> BaseException:
    """Return the fault of memory, device or another rank behind an error, or the error itself."""
    if isinstance(error, UserError | Stopped):
        return error
    fault = error if isinstance(error, Failure) else fault_behind(error, f" at step {trainer.progress.step + 1}")
    if not isinstance(error, Failure | MemoryError):
        fault = trainer.session.collectives.rendezvous.failure_behind(error) or fault
    if isinstance(fault, Failure) and saved.checkpoints(out):
        return Failure(f"{fault}; the last checkpoint is complete: resume with --resume", fault.exit_code)
    return fault or error


def checkpoint_to_resume(out: Path, resume: Resume, ranks: Ranks) -> Path | None:
    """Return the newest complete checkpoint in `out` if the run resumes from it, None if the run is new.

    Args:
        resume: whether to resume. With "auto", resume if there is a complete checkpoint.

    Raises:
        UserError: `resume` is "no" and `out` holds checkpoints, or `resume` is "yes" and none is complete.
    """
    if resume == "no":
        if saved.checkpoints(out):
            raise UserError(f"{out}: holds checkpoints; resume the run with --resume, or choose another --out")
        return None
    console = open_console(stderr=True, quiet=not ranks.is_main_process)
    newest = checkpoint.newest_complete(out, report=lambda line: console.print(line, soft_wrap=True))
    if newest is None and resume == "yes":
        raise UserError(f"{out}: no complete checkpoint to resume from; with --resume auto, a new run starts instead")
    if newest is None:
        console.print(f"{out}: no complete checkpoint to resume from, starting a new run", soft_wrap=True)
    return newest


def start(
    trainer: Trainer, identity: dict[str, Any], resumed: Path | None, prepare: Callable[[Trainer], object] | None = None
) -> None:
    """Resume or prepare a new trainer.

    Args:
        identity: everything that decides the result, as JSON. A resumed run must have the same identity.
        resumed: the checkpoint to resume from, None for a new run.
        prepare: gives the trainer of a new run parameters and more from elsewhere.

    Raises:
        UserError: the run to resume has another identity, or the ranks found different checkpoints.
    """
    console = open_console(stderr=True, quiet=not trainer.ranks.is_main_process)
    if resumed:
        _restore(trainer, resumed, identity)
        stopped, done = trainer.progress.stopped, trainer.progress.step == trainer.plan.total
        best = resumed.with_name(f"{saved.STEP}{trainer.progress.best_step}")
        if (trainer.progress.best_step or 0) > trainer.plan.begin and not best.is_dir():
            print_warnings(console, [f"{best}: was the best checkpoint and was removed; only a better one replaces it"])
        finished = f"{resumed}: the run is finished" + (f", stopped by {stopped}" if stopped else "")
        console.print(finished if stopped or done else f"resuming from {resumed}", soft_wrap=True)
    elif prepare:
        prepare(trainer)
    print_warnings(console, without_effect(trainer.train, trainer.impl, trainer.plan, trainer.ranks.world))
    world, accumulation = trainer.ranks.world, trainer.train.accumulation
    if world > accumulation:
        console.print(
            f"{world} processes share {accumulation} micro-batches per step, so {world - accumulation} of them are "
            f"idle; set train.accumulation={world} and use smaller batches",
            soft_wrap=True,
        )
    _check_same_beginning(trainer)
    trainer.session.broadcast_from_rank0()
    trainer.session.check_equal()


def _check_same_beginning(trainer: Trainer) -> None:
    """Raise a `UserError` if the ranks begin at different steps, as when a run that is continued still goes on."""
    beginning = crc32(repr((trainer.plan, trainer.progress)).encode())
    if len({*trainer.session.collectives.all_gather(beginning)}) > 1:
        raise UserError(
            "the ranks do not begin at the same step of the same stages: all must see the same files, and a run "
            "that is still going on is continued from a checkpoint that it keeps"
        )


def run_stages(
    trainer: Trainer,
    out: Path,
    identity: dict[str, Any],
    evaluate: Callable[[PlannedStep, RunLog], None],
    evaluate_at: Container[int],
) -> None:
    """Run the remaining steps of the plan. Save every `save_steps` steps, at the end of each stage, and the best step.

    Args:
        evaluate: scores the trainer's model. It is called after the steps `evaluate_at`, before a checkpoint is saved,
            and before the first step if the number of the steps that were run before is one of them.
            It notes in the trainer's progress whether the step is the best so far, and whether the run stops there.

    Raises:
        Stopped: the run received Ctrl-C or SIGTERM, and a checkpoint was saved.
    """
    if trainer.ranks.is_main_process:
        checkpoint.mark_best(out, trainer.progress.best_step)  # a run may be killed between a checkpoint and its mark
    with RunLog(out, trainer) as log, postponed_stop() as received_signal, step_limit(trainer) as limit:
        if (begin := trainer.plan.begin) in evaluate_at and trainer.progress.step == begin:
            evaluate(PlannedStep(begin, trainer.plan.earlier, ""), log)
            log.restart_clock()
        limit.begin()
        for step in trainer.steps(lambda: received_signal() is not None):
            limit.end()
            log.step(step)
            number = step.planned.number
            stage_over = number == trainer.plan.end_of(step.planned.stage)
            saves = stage_over or step.stops or number % trainer.impl.save_steps == 0
            if saves or number in evaluate_at:
                log.flush()
                if number in evaluate_at:
                    evaluate(step.planned, log)
                if saves or trainer.progress.is_best or trainer.progress.stopped:
                    save(trainer, out, identity)
                log.restart_clock()
            # Check here too: an evaluation takes time, and no step follows the last stage or an early stop.
            ends = stage_over or bool(trainer.progress.stopped)
            if step.stops or (ends and trainer.session.any_rank(received_signal() is not None)):
                raise Stopped(
                    received_signal() or signal.SIGTERM,  # or the signal of another rank
                    f"{out}/{saved.STEP}{number} is complete, resume from it with --resume",
                )
            limit.begin()


class StepLimit:
    """Ends a job of several ranks if a step hangs.

    The limit is `impl.step_seconds`, or 20 times the median of the last steps if that is longer. Between steps, for
    evaluation and saving, there is none. The first step of each combination of tasks builds programs and has longer.
    """

    def __init__(self, trainer: Trainer):
        self._trainer, self._rendezvous = trainer, trainer.session.collectives.rendezvous
        self._planned = trainer.remaining()
        self._built: set[tuple[str, ...]] = set()
        self._seconds: deque[float] = deque(maxlen=RECENT_STEPS)
        self._began = 0.0

    def begin(self) -> None:
        """Limit the next step, if there is one."""
        if (planned := next(self._planned, None)) is None:
            return
        limit = max(self._trainer.impl.step_seconds, LONGER * median(self._seconds or [0.0]))
        names = tuple(task.name for task in self._trainer.combination(planned))
        if names not in self._built:
            self._built.add(names)
            limit += BUILDING
        self._began = time.monotonic()
        self._rendezvous.expect(limit, f"step {planned.number}")

    def end(self) -> None:
        """End the limit of the current step."""
        self._seconds.append(time.monotonic() - self._began)
        self._rendezvous.expect(None)


@contextmanager
def step_limit(trainer: Trainer) -> Iterator[StepLimit]:
    """Yield the limit of a trainer's steps, which ends with the block."""
    limit = StepLimit(trainer)
    try:
        yield limit
    finally:
        limit.end()


def save(trainer: Trainer, out: Path, identity: dict[str, Any]) -> None:
    """Save a checkpoint of the trainer and remove old ones, on rank 0 only. All ranks wait until it is complete.

    Raises:
        UserError: the ranks differ, or the checkpoint cannot be written. Earlier checkpoints stay complete.
    """
    trainer.session.check_equal()
    if trainer.ranks.is_main_process:
        _write_checkpoint(trainer, out, identity)
    trainer.session.barrier()  # launchers end a job whose first process has ended, in the middle of the file


def _write_checkpoint(trainer: Trainer, out: Path, identity: dict[str, Any]) -> None:
    model = saved.Model(trainer.config, trainer.vocabulary, trainer.session.parameters())
    progress = trainer.progress
    state = checkpoint.TrainerState(
        step=progress.step,
        plan=trainer.plan,
        cursors=progress.cursors,
        loss_scale=progress.loss_scale,
        best=progress.best,
        stopped=progress.stopped,
        labels={name: task.objective.labels for name, task in trainer.tasks.items()},
        run=identity,
    )
    try:
        checkpoint.save_checkpoint(out, model, trainer.session.optimizer_state(), state)
        checkpoint.mark_best(out, progress.best_step)
    except OSError as error:
        again = "earlier checkpoints are complete: make room, then resume with --resume"
        raise UserError(
            f"{out}/{saved.STEP}{state.step}: cannot be written ({error}); "
            + (again if saved.checkpoints(out) else "make room, then start the run again")
        ) from None
    checkpoint.remove_old(out, trainer.impl.keep_checkpoints, progress.best_step)


def _restore(trainer: Trainer, path: Path, identity: dict[str, Any]) -> None:
    state = checkpoint.TrainerState.load(path)
    before, now = _flattened(state.run), _flattened(identity)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise UserError(
                f"{path}: cannot resume: {key} was {before.get(key)!r} and is {now.get(key)!r} now; "
                "set it back, or start a new run in another --out"
            )
    progress = Progress(state.loss_scale, state.step, dict(state.cursors), state.best, state.stopped)
    trainer.restore(progress, *checkpoint.load_variables(path))


def _flattened(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
