"""Pages of one figure and some tables, each a single HTML file."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; border-bottom: 1px solid #ddd }
td { text-align: right; font-variant-numeric: tabular-nums } td:first-child, th:first-child { text-align: left }
img { max-width: 100% } caption { text-align: left; font-weight: 600; padding: .4em 0 }
"""


def write_page(out: Path, title: str, figure: Figure, intro: Iterable[str], tables: Iterable[str]) -> None:
    """Write a page (`.html`) with sentences, a figure, and tables as `html_table` makes them; or the figure (`.png`).

    Raises:
        UserError: the name has another ending.
    """
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    if out.suffix == ".png":
        with atomic_write(out, "wb") as file:
            file.write(image.getvalue())
    elif out.suffix == ".html":
        encoded, escaped = base64.b64encode(image.getvalue()).decode(), html.escape(title)
        parts = [f"<p>{html.escape(sentence)}</p>" for sentence in intro]
        parts += [f'<img alt="{escaped}" src="data:image/png;base64,{encoded}">', *tables]
        with atomic_write(out) as file:
            file.write(
                f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escaped}</title><style>{STYLE}</style>'
                f"<h1>{escaped}</h1>{''.join(parts)}</html>\n"
            )
    else:
        raise UserError(f"{out}: the name of a report ends in .html or .png")


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as HTML, from cells of text."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"
