"""The sub-commands for building data."""

from data_builders.commands import (
    adapt,
    baseline,
    build,
    convert_samples,
    corpus,
    inspect,
    spans,
    vocab,
    vocab_add,
    vocab_coverage,
)
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Register the commands in the order in which they are used."""
    for module in (corpus, vocab, vocab_coverage, vocab_add, spans, build, inspect, baseline, adapt, convert_samples):
        registry.commands.add(module.COMMAND.name, module.COMMAND)
