"""Checks of what programs compute, against other programs that compute the same."""

from ernie_paddle.checks.check import Bench, Check, Outcome, Programs, model_config
from ernie_paddle.checks.operators import fill_free_memory
from ernie_paddle.checks.traces import Agreement, Workload, initial_parameters, loss_error, train, workload
from ernie_paddle.programs.check_record import FLASH_CHECK, Figure
from ernie_paddle.programs.cpu import Cpu
from ernie_paddle.settings import Precision

STEPS = 3
FP32_ERROR = 1e-4  # relative
LOW_LOSS_ERROR, LOW_COSINE = 0.02, 0.99
FLASH_COSINE = 0.999
LENGTHS = (1, 8, 63, 64, 65, 512)  # at, below and above the blocks of FlashAttention's kernels
ONE_QUERY = 2  # the index of a sequence of which the last layer computes one token only


def sample_workload(programs: Programs, bench: Bench, dropout: float = 0.0) -> Workload:
    """Return some 2,000 tokens on a GPU, 200 on a CPU."""
    lengths = (512, 512, 384, 256, 256, 128) if programs.is_gpu else (64, 17, 40, 80)
    return workload(model_config(programs.sizes, dropout), bench.registry, lengths)


def fp32_against_reference(programs: Programs, bench: Bench) -> Outcome:
    """Compare training in fp32 without dropout with that of the CPU's programs."""
    work = sample_workload(programs, bench)
    expected = train(work, Cpu(), STEPS)
    found = train(work, programs.backend(), STEPS)
    loss = loss_error(found.losses, expected.losses)
    gradients = Agreement.of(found.gradients, expected.gradients)
    before = initial_parameters(work, Cpu())
    moved = Agreement.of(
        {name: value - before[name] for name, value in found.parameters.items()},
        {name: value - before[name] for name, value in expected.parameters.items()},
    )
    figures: dict[str, Figure] = {"loss": loss, "gradients": gradients.error, "change of parameters": moved.error}
    return Outcome(all(error <= FP32_ERROR for error in (loss, gradients.error, moved.error)), figures)


def low_precision(programs: Programs, bench: Bench) -> Outcome:
    """Compare losses and gradients in bf16 and fp16 with those in fp32."""
    work = sample_workload(programs, bench)
    expected = train(work, programs.backend(), STEPS)
    figures: dict[str, Figure] = {}
    passed = True
    for precision in programs.low:
        found = train(work, programs.backend(precision), STEPS)
        loss = loss_error(found.losses, expected.losses)
        cosine = Agreement.of(found.gradients, expected.gradients).cosine
        figures |= {f"loss, {precision}": loss, f"cosine, {precision}": cosine}
        passed &= loss <= LOW_LOSS_ERROR and cosine >= LOW_COSINE
    return Outcome(passed, figures)


def flash_attention(programs: Programs, bench: Bench) -> Outcome:
    """Compare the gradients with FlashAttention and with padded attention, where unwritten memory holds NaN."""
    work = workload(model_config(programs.sizes), bench.registry, LENGTHS, unlabelled=(ONE_QUERY,))
    precisions: tuple[Precision, ...] = programs.low or ("fp32",)
    figures: dict[str, Figure] = {}
    passed = True
    for precision in precisions:
        expected = train(work, programs.backend(precision))
        if programs.is_gpu:
            fill_free_memory(programs)
        found = train(work, programs.backend(precision, flash=True))
        cosine = Agreement.of(found.gradients, expected.gradients).cosine
        loss = loss_error(found.losses, expected.losses)
        figures |= {f"cosine, {precision}": cosine, f"loss, {precision}": loss}
        passed &= cosine >= FLASH_COSINE and loss <= LOW_LOSS_ERROR
    return Outcome(passed, figures)


CHECKS = (
    Check(
        3,
        "fp32",
        "programs of this device that compute something else",
        "nothing: do not train on this device, send the record",
        fp32_against_reference,
        lambda programs, bench: "" if programs.is_gpu or programs.place is None else "it is the reference",
    ),
    Check(
        4,
        "bf16 and fp16",
        "casts in wrong places, losses that underflow",
        "train.precision=fp32",
        low_precision,
        lambda programs, bench: "" if programs.low else "needs a GPU, or a CPU with AVX-512 for bf16",
    ),
    Check(
        FLASH_CHECK,
        "flash attention",
        "lengths that are read wrongly, gradients that are never written",
        "impl.attention=automatic takes padded attention, by itself",
        flash_attention,
        lambda programs, bench: "" if programs.has_flash else "needs a GPU of compute capability 8",
        required=False,
    ),
)
