"""The sub-commands of data building, one module each."""

from data_builders.commands import baseline, build, convert_samples, corpus, inspect, spans, vocab
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the commands in the order people need them."""
    for module in (corpus, vocab, spans, build, inspect, baseline, convert_samples):
        registry.commands.add(module.COMMAND.name, module.COMMAND)
