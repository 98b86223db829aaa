"""Pages of figures and tables, each a single HTML file."""

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
    if out.suffix == ".png":
        with atomic_write(out, "wb") as file:
            file.write(_png(figure))
    elif out.suffix == ".html":
        write_html(out, title, [*map(html_paragraph, intro), html_figure(title, figure), *tables])
    else:
        raise UserError(f"{out}: the name of a report ends in .html or .png")


def write_html(out: Path, title: str, parts: Iterable[str]) -> None:
    """Write a page of parts, each of them HTML."""
    escaped = html.escape(title)
    with atomic_write(out) as file:
        file.write(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escaped}</title><style>{STYLE}</style>'
            f"<h1>{escaped}</h1>{''.join(parts)}</html>\n"
        )


def html_paragraph(text: str) -> str:
    """Return a paragraph as HTML."""
    return f"<p>{html.escape(text)}</p>"


def html_heading(text: str, level: int = 2) -> str:
    """Return a heading as HTML; the title of the page has level 1."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def html_figure(description: str, figure: Figure) -> str:
    """Return a figure as HTML that holds its image."""
    return (
        f'<img alt="{html.escape(description)}" src="data:image/png;base64,{base64.b64encode(_png(figure)).decode()}">'
    )


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110)
    return image.getvalue()


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as HTML, from cells of text."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"
