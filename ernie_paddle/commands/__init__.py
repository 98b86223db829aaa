"""The engine's sub-commands, one module each."""

from ernie_paddle.commands import (
    bench,
    check,
    config,
    convert,
    encode,
    evaluate,
    evaluate_checkpoints,
    export,
    fill_mask,
    finetune,
    plan,
    predict,
    pretrain,
    report,
    serve,
    tasks,
)
from ernie_paddle.registry import Registry


def register(registry: Registry) -> None:
    """Add the engine's commands."""
    for module in (
        config,
        tasks,
        plan,
        check,
        bench,
        pretrain,
        report,
        convert,
        finetune,
        evaluate_checkpoints,
        evaluate,
        export,
        predict,
        encode,
        fill_mask,
        serve,
    ):
        registry.commands.add(module.COMMAND.name, module.COMMAND)
