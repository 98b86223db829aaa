"""Peaks of devices: by name on GPUs, measured on CPUs."""

import pytest
from programs_support import cpu, gpu

from ernie_paddle.programs.peaks import peak_flops, published_flops
from ernie_paddle.settings import Precision


@pytest.mark.parametrize(
    ("device", "precision", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 312),
        ("NVIDIA A100-PCIE-40GB", "fp32", 19.5),
        ("NVIDIA A100-PCIE-40GB", "tf32", 156),
        ("Tesla V100-SXM2-32GB", "tf32", None),
        ("NVIDIA A10", "fp16", 125),
        ("NVIDIA H100 80GB HBM3", "bf16", 989),
        ("NVIDIA H100 PCIe", "bf16", 756),
        ("Tesla V100-SXM2-32GB", "fp16", 125),
        ("Tesla V100-PCIE-16GB", "fp16", 112),
        ("Tesla V100-SXM2-32GB", "bf16", None),
        ("NVIDIA L40S", "bf16", 362),
        ("NVIDIA GeForce GTX 1080", "fp32", None),
    ],
)
def test_gpus_are_known_by_the_words_of_their_names(device: str, precision: Precision, tera: float | None) -> None:
    assert published_flops(device, precision) == (tera and tera * 1e12)


def test_the_peak_of_a_cpu_is_measured() -> None:
    """From a hundredth of one core's AVX2 to a thousand cores."""
    measured = peak_flops(cpu())
    assert measured is not None and 5e8 < measured < 1e14


def test_the_stand_in_for_gpus_has_no_peak() -> None:
    assert peak_flops(gpu()) is None
