"""Models that grow by new words, or by a masked-LM head."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ernie_paddle.errors import UserError
from ernie_paddle.files import read_lines
from ernie_paddle.model.saved import Model
from ernie_paddle.text.vocabulary import CONTINUATION, LONGEST_WORD, Vocabulary

FREE = re.compile(r"\[unused\d+\]")  # BERT's entries without a meaning
MASKED_LM_BIAS = "mask_lm_out_fc.b_0"
OF_TOKENS = ("word_embedding", MASKED_LM_BIAS)  # the parameters with a row for each entry of the vocabulary
SHOWN = 20  # lines in a message


def add_words(model: Model, words: Sequence[str]) -> Model:
    """Return a model whose vocabulary has new words; all other parameters and rows are bit-identical.

    The row of a new word is the mean of the rows of the pieces that it had (as in Fast Vocabulary Transfer, Gee et al.
    2022), for the word embedding and for the bias of the masked-LM head. The score of the new word is then the mean of
    the scores of its pieces in any context; with a bias of 0 it would be as far above or below them as biases are.

    Args:
        words: as `read_words` returns them.
    """
    config = model.config
    vocabulary = with_words(model.vocabulary, words, config.vocab_size)
    rows = max(config.vocab_size, vocabulary.size)
    pieces = [encoding.ids for encoding in model.vocabulary.tokenizer.encode_batch(words, add_special_tokens=False)]
    grown = {}
    for name in OF_TOKENS:
        if name in model.parameters:
            before = model.parameters[name]
            grown[name] = np.zeros((rows, *before.shape[1:]), before.dtype)
            grown[name][: len(before)] = before
            for word, ids in zip(words, pieces, strict=True):
                grown[name][vocabulary.ids[word]] = before[ids].mean(axis=0, dtype=np.float64)
    config = config.model_copy(update={"vocab_size": rows})
    return replace(model, config=config, vocabulary=vocabulary, parameters=model.parameters | grown)


def with_masked_lm_head(model: Model, counts: np.ndarray) -> Model:
    """Return a model with a new masked-LM head, which draws nothing at random.

    Its layer is the identity, since encoders keep the embedding of each token in their residual stream, and the output
    weights are that embedding. Its bias are the logarithms of the tokens' frequencies. The head thus begins near the
    loss of these frequencies; from zeros, AdamW's small steps would take long to get there.

    Args:
        counts: how often each token occurred, [vocab_size]; one is added to each.
    """
    hidden, smoothed = model.config.hidden_size, counts + 1.0
    head = {
        "mask_lm_trans_fc.w_0": np.eye(hidden),
        "mask_lm_trans_fc.b_0": np.zeros(hidden),
        "mask_lm_trans_layer_norm_scale": np.ones(hidden),
        "mask_lm_trans_layer_norm_bias": np.zeros(hidden),
        MASKED_LM_BIAS: np.log(smoothed / smoothed.sum()),
    }
    return replace(
        model, parameters=model.parameters | {name: value.astype(np.float32) for name, value in head.items()}
    )


def with_words(vocabulary: Vocabulary, words: Sequence[str], rows: int) -> Vocabulary:
    """Return a vocabulary with new words, which take the free ids of a table of `rows` rows first, then new ones.

    Free are ids without a token and those of `[unused1]`, `[unused2]` and so on.
    """
    free = (i for i in range(rows) if i not in vocabulary.tokens or FREE.fullmatch(vocabulary.tokens[i]))
    added = dict(zip(chain(free, count(max(rows, vocabulary.size))), words, strict=False))
    return replace(vocabulary, ids={token: i for i, token in sorted((vocabulary.tokens | added).items())})


def read_words(path: Path, vocabulary: Vocabulary) -> list[str]:
    """Read the words to add to a vocabulary, one on each line. Blank lines are skipped.

    Raises:
        UserError: the file is missing or has no words, or lines hold words that are there already or that the
            tokenizer would never find.
    """
    lines, tokenizer, mistakes = dict[str, int](), vocabulary.tokenizer, list[str]()
    for number, line in enumerate(read_lines(path, "words"), 1):
        if line in lines:
            mistakes.append(f"line {number}: '{line}' is already on line {lines[line]}")
        elif line.strip():
            mistakes += (f"line {number}: '{line}' {reason}" for reason in _reasons(line, vocabulary, tokenizer))
            lines[line] = number
    if mistakes:
        more = [f"{len(mistakes) - SHOWN:,} more lines"] if len(mistakes) > SHOWN else []
        raise UserError("\n".join(f"{path}: {mistake}" for mistake in [*mistakes[:SHOWN], *more]))
    if not lines:
        raise UserError(f"{path}: no words; write one on each line")
    return list(lines)


def _reasons(word: str, vocabulary: Vocabulary, tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the reason why a word cannot be added, if there is one."""
    read = tokenizer.normalizer.normalize_str(word)
    parts = [part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(read)]
    if word in vocabulary.ids:
        yield f"is an entry already, with id {vocabulary.ids[word]}"
    elif word.startswith(CONTINUATION):
        yield "is a piece of words; only whole words can be added"
    elif any(map(str.isspace, word)):
        yield "holds white space; an entry is one word"
    elif len(parts) > 1:
        yield f"is split before entries are looked up: {' '.join(parts)}"
    elif parts != [word]:
        yield f"is read as '{''.join(parts)}'; write it so"
    elif len(word) > LONGEST_WORD:
        yield f"has more than {LONGEST_WORD} characters, which the tokenizer takes for unknown"
