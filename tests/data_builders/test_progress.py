"""Progress in a log file."""

import pytest

from data_builders import progress
from data_builders.progress import Bars


def test_a_log_file_gets_lines_with_speed_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bars() as bars:
        show = bars.bar("annotating text", 4_000_000)
        show(1_000_000)
        assert capsys.readouterr().err == "", "not before half a minute is over"
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
        show(2_000_000)
        show(4_000_000)
    line = capsys.readouterr().err.strip()
    assert line.startswith("annotating text: 50%") and "B/s" in line and line.endswith("left")
