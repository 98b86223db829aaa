"""Declarations of what programs are fed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Feed:
    """A declared input of a program; -1 in `shape` stands for any size."""

    name: str
    shape: tuple[int, ...]
    dtype: str


# Tokens are packed, without padding. The last layer computes only the selected tokens, which some objective reads.
ENCODER_FEEDS = (
    Feed("input_ids", (-1,), "int64"),
    Feed("sentence_ids", (-1,), "int64"),
    Feed("position_ids", (-1,), "int64"),
    Feed("padded_to_token", (-1, -1), "int64"),
    Feed("token_to_padded", (-1,), "int64"),
    Feed("selected", (-1,), "int64"),
    Feed("padded_to_selected", (-1, -1), "int64"),
    Feed("selected_to_padded", (-1,), "int64"),
    Feed("token_cu_seqlens", (-1,), "int32"),
    Feed("selected_cu_seqlens", (-1,), "int32"),
)


# Arrays of one length that a GPU is fed together, as int32 [arrays, length].
PACKED_FEEDS = {
    "tokens": ("input_ids", "sentence_ids", "position_ids", "token_to_padded"),
    "selections": ("selected", "selected_to_padded"),
    "cu_seqlens": ("token_cu_seqlens", "selected_cu_seqlens"),
}


def selected_feed(task: str) -> Feed:
    """Return the feed with a task's tokens, as indices into `selected`."""
    return Feed(f"{task}@selected", (-1,), "int64")
