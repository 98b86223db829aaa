"""The mkdocs hook: puts what is generated from the code in the place of `<!-- generate: NAME ARGUMENTS -->`."""

import logging
import re
from collections.abc import Callable
from typing import Any

import jieba
from commands_reference import commands, scripts
from settings_reference import builder_options, finetuning_options, formats, metrics, settings, task_options

GENERATORS: dict[str, Callable[..., str]] = {
    generator.__name__: generator
    for generator in (
        settings,
        task_options,
        builder_options,
        finetuning_options,
        formats,
        metrics,
        commands,
        scripts,
    )
}
jieba.setLogLevel(logging.WARNING)  # Material's search cuts Chinese with it
DIRECTIVE = re.compile(r"^<!-- generate: (.+?) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Return a page's text with all directives replaced; mkdocs calls this for every page."""
    return DIRECTIVE.sub(_generated, markdown)


def _generated(directive: re.Match[str]) -> str:
    name, *arguments = directive[1].split()
    return GENERATORS[name](*arguments)
