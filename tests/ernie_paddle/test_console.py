"""What the console shows is the text that it was given."""

import pytest
from rich.table import Table

from ernie_paddle.console import open_console, print_table, print_warnings


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no markup: in messages, titles and cells."""
    texts = ["runs/[bold]news[/bold]/step_1", "[MASK]", r"\[red]"]
    table = Table("token", title=texts[0])
    for text in texts:
        open_console(stderr=True).print(text, soft_wrap=True)
        table.add_row(text)
    print_warnings(open_console(stderr=True), texts)
    print_table(open_console(), table)
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [*texts, *(f"warning: {text}" for text in texts)]
    assert shown.out.count(texts[0]) == 2 and all(f"│ {text} " in shown.out for text in texts)
