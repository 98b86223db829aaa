"""The record of a device's checks, and what it decides."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paddle
import pytest

from ernie_paddle.files import write_json
from ernie_paddle.programs import check_record
from ernie_paddle.programs.check_record import (
    CheckRecord,
    CheckResult,
    DeviceIdentity,
    cache_folder,
    read_record,
    why_not_flash,
)

GPU: Any = SimpleNamespace(is_cpu_place=lambda: False, get_device_id=lambda: 0)
IDENTITY = DeviceIdentity(device="NVIDIA A100-SXM4-80GB", driver="550.54.15", wheel="paddle-3.3.1-cuda12.6")


def record_of(passed: bool | None, number: int = 5, identity: DeviceIdentity = IDENTITY) -> CheckRecord:
    result = CheckResult(
        number=number,
        name="flash attention",
        programs="GPU 0",
        passed=passed,
        required=False,
        figures={"cosine, bf16": 0.9999},
        note="",
        seconds=1.0,
    )
    return CheckRecord(identity=identity, environment={"GPUs": 1}, results=[result])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, and a pretended GPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(DeviceIdentity, "of", classmethod(lambda cls, place: IDENTITY))
    return tmp_path / "ernie-paddle"


def keep(record: CheckRecord) -> Path:
    write_json(record.identity.path, record.model_dump(mode="json"))
    return record.identity.path


def test_a_record_is_named_after_device_driver_and_wheel(cache: Path) -> None:
    assert keep(record_of(True)) == cache / "check-NVIDIA_A100_SXM4_80GB-550.54.15-paddle_3.3.1_cuda12.6.json"
    assert read_record(IDENTITY) == record_of(True)


@pytest.mark.parametrize(("folder", "expected"), [("", ".cache"), ("relative", ".cache"), ("/elsewhere", "/elsewhere")])
def test_the_cache_folder_is_that_of_xdg(folder: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/somebody"))
    assert cache_folder() == Path("/home/somebody") / expected / "ernie-paddle"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (record_of(True), ""),
        (record_of(False), "check 5 of `ernie-paddle check` failed"),
        (record_of(None), "check 5 of `ernie-paddle check` has no result"),
        (record_of(True, number=6), "check 5 of `ernie-paddle check` has no result"),
        (None, "`ernie-paddle check` has not run"),
    ],
)
def test_flash_is_known_to_be_right_where_its_check_passed(
    record: CheckRecord | None, reason: str, cache: Path
) -> None:
    if record:
        keep(record)
    found = why_not_flash(GPU)
    assert found.startswith(reason) and bool(found) == bool(reason)


@pytest.mark.parametrize("content", ["", "{", "{}", '{"format": 2}'])
def test_a_record_that_cannot_be_read_is_none(content: str, cache: Path) -> None:
    keep(record_of(True)).write_text(content)
    assert read_record(IDENTITY) is None and "has not run" in why_not_flash(GPU)


def test_the_record_of_another_driver_is_none(cache: Path) -> None:
    other = IDENTITY.model_copy(update={"driver": "560.1.2"})
    keep(record_of(True, identity=other)).rename(IDENTITY.path)
    assert read_record(IDENTITY) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC: 12",
            "535.104.05",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build", "560.35.03"),
        (None, "unknown"),
    ],
)
def test_a_gpu_has_its_name_and_the_version_of_its_driver(
    text: str | None, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_record, "DRIVER_FILE", tmp_path / "version")
    monkeypatch.setattr("paddle.device.cuda.get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    if text:
        (tmp_path / "version").write_text(text)
    identity = DeviceIdentity.of(GPU)
    assert (identity.device, identity.driver) == ("NVIDIA H100 80GB HBM3", version)


@pytest.mark.skipif(paddle.is_compiled_with_cuda(), reason="for CPUs")
def test_a_cpu_has_no_driver() -> None:
    identity = DeviceIdentity.of(paddle.CPUPlace())
    assert identity.device and identity.driver == "none"
    assert identity.wheel == f"paddle-{paddle.version.full_version}-cpu"
