"""The record of `ernie-paddle check` for a device, its driver and Paddle, in the user's cache folder."""

import os
import platform
import re
from pathlib import Path
from typing import Any, Literal

import paddle
from pydantic import BaseModel

FLASH_CHECK = 5
DRIVER_FILE = Path("/proc/driver/nvidia/version")
CPU_FILE = Path("/proc/cpuinfo")
Figure = float | int | str | bool | None


class DeviceIdentity(BaseModel, frozen=True):
    """What results of checks hold for: a device by name, its driver, and the wheel of Paddle."""

    device: str
    driver: str
    wheel: str

    @classmethod
    def of(cls, place: Any) -> "DeviceIdentity":
        """Return the identity of a device."""
        kind = f"cuda{paddle.version.cuda()}" if paddle.is_compiled_with_cuda() else "cpu"
        wheel = f"paddle-{paddle.version.full_version}-{kind}"
        if place.is_cpu_place():
            return cls(device=_cpu_name(), driver="none", wheel=wheel)
        return cls(
            device=paddle.device.cuda.get_device_name(place.get_device_id()), driver=_driver_version(), wheel=wheel
        )

    @property
    def path(self) -> Path:
        """The file of the record: `check-<device>-<driver>-<wheel>.json` in the user's cache folder."""
        names = (re.sub(r"[^\w.]+", "_", name).strip("_") for name in (self.device, self.driver, self.wheel))
        return cache_folder() / f"check-{'-'.join(names)}.json"


class CheckResult(BaseModel, frozen=True):
    """The result of one check. `passed` is None if it was not run, or only measures."""

    number: int
    name: str
    programs: str
    passed: bool | None
    required: bool
    figures: dict[str, Figure]
    note: str
    seconds: float

    @property
    def fails(self) -> bool:
        """Whether the check failed and is required."""
        return self.required and self.passed is False


class CheckRecord(BaseModel, frozen=True):
    """Everything that `ernie-paddle check` found. It holds no names of users, machines or folders."""

    format: Literal[1] = 1
    identity: DeviceIdentity
    environment: dict[str, Figure]
    results: list[CheckResult]


def read_record(identity: DeviceIdentity) -> CheckRecord | None:
    """Return the record of a device, None if there is none that can be read."""
    try:
        record = CheckRecord.model_validate_json(identity.path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if record.identity == identity else None


def why_not_flash(place: Any) -> str:
    """Return why FlashAttention is not known to be right on a GPU, empty if its check passed there."""
    record = read_record(DeviceIdentity.of(place))
    if record is None:
        return "`ernie-paddle check` has not run with this GPU, driver and Paddle: run it once"
    results = [result for result in record.results if result.number == FLASH_CHECK]
    if any(result.passed is False for result in results):
        return f"check {FLASH_CHECK} of `ernie-paddle check` failed with this GPU, driver and Paddle"
    if not any(result.passed for result in results):
        return (
            f"check {FLASH_CHECK} of `ernie-paddle check` has no result with this GPU, driver and Paddle: run it again"
        )
    return ""


def cache_folder() -> Path:
    """Return this project's folder among the user's caches (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "ernie-paddle"


def _driver_version() -> str:
    found = re.search(r"\b\d{3}(\.\d+)+\b", _text_of(DRIVER_FILE))
    return found[0] if found else "unknown"


def _cpu_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _text_of(CPU_FILE), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
