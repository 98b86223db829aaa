"""Tagging schemes: the letter of a tag gives a token's position in an entity.

| scheme  | letters                              | entities of one, two and three tokens |
|---------|--------------------------------------|---------------------------------------|
| `iob2`  | B I O                                | B, B I, B I I                         |
| `iob1`  | B I O; B follows its own name only   | I, I I, I I I                         |
| `bioes` | B I E S O, also written BMES, BILOU  | S, B E, B I E                         |

A tag is `O`, a letter and a name (`B-PER`), or only a letter, as in word segmentation.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ernie_paddle.errors import UserError

SCHEMES = ("iob1", "iob2", "bioes")
TAG = re.compile(r"([BIMELSUW])(?:-(.+))?")
PLACES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}


class Tag(NamedTuple):
    """A tag in the letters of `bioes`: its `place` in an entity, O if in none, and the entity's `name`."""

    place: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Tag | None":
        """Return the tag written as `text`, None if it is in no scheme."""
        match = TAG.fullmatch(text)
        if match:
            return cls(PLACES[match[1]], match[2] or "")
        return cls("O", "") if text == "O" else None


def check_tags(tags: Iterable[str], scheme: str, where: str) -> None:
    """Raise a `UserError` unless all tags are in the scheme. `where` begins its message."""
    places = "BIO" if scheme != "bioes" else "BIESO"
    for text in tags:
        tag = Tag.parse(text)
        if tag is None:
            raise UserError(
                f"{where}: '{text}' is not an entity tag, such as O or B-PER; use tag_accuracy for other tags"
            )
        if tag.place not in places:
            raise UserError(f"{where}: '{text}' is not in the scheme {scheme}; known schemes: {', '.join(SCHEMES)}")


def scheme_of(labels: Sequence[str], texts: Iterable[Sequence[str]], where: str) -> str:
    """Return the scheme of a data set with these labels.

    Labels with B, I and O only are `iob1` if the tags of `texts` are: some I begins an entity, and every B follows an
    entity of its own name. Otherwise they are `iob2`.

    Raises:
        UserError: the labels are in no scheme. `where` begins the message.
    """
    check_tags(labels, "bioes", where)
    places = {tag.place for label in labels if (tag := Tag.parse(label))}
    if places == {"O"} or ("E" in places and not places & {"B", "S"}):
        raise UserError(f"{where}: labels {', '.join(labels)}: no tag marks the beginning of an entity")
    if places & {"E", "S"}:
        return "bioes"
    return "iob1" if "B" not in places or is_iob1(texts) else "iob2"


def is_iob1(texts: Iterable[Sequence[str]]) -> bool:
    """Check whether tags with B, I and O are IOB1 and not IOB2."""
    begins_inside = False
    for text in texts:
        for before, after in pairwise([Tag("O", ""), *map(Tag.parse, text)]):
            if before is None or after is None:
                return False
            continues = before.place != "O" and before.name == after.name
            if after.place == "B" and not continues:
                return False
            begins_inside |= after.place == "I" and not continues
    return begins_inside


def in_bioes(tags: Sequence[str]) -> list[str]:
    """Return tags of a scheme in the letters of `bioes`, each with a name, as seqeval expects them."""
    parsed = [Tag.parse(tag) for tag in tags]
    return ["O" if tag is None or tag.place == "O" else f"{tag.place}-{tag.name or '_'}" for tag in parsed]


def entity_ranges(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the name of each entity, its first token and the one after its last, in order.

    Entities are counted as the metric `entity_f1` counts them: every run of tags with one name is one. B and S begin a
    new one, E and S end one.
    """
    ranges: list[tuple[str, int, int]] = []
    before = Tag("O", "")
    for number, text in enumerate(tags):
        tag = Tag.parse(text) or Tag("O", "")
        if tag.place != "O":
            if tag.place in "BS" or before.place in "OES" or tag.name != before.name:
                ranges.append((tag.name, number, number))
            ranges[-1] = (tag.name, ranges[-1][1], number + 1)
        before = tag
    return ranges


def tags_inside_words(labels: Sequence[str]) -> dict[str, str | None]:
    """Return the tag of a word's later pieces for each tag of a word, None if no label fits.

    After the beginning of an entity, the pieces are inside it: `I-PER` follows `B-PER` (release,
    `SequenceLabelReader._reseg_token_label`), and also `S-PER`. All other tags are repeated.
    """
    tags = {label: Tag.parse(label) for label in labels}
    if None in tags.values():
        return {label: label for label in labels}  # tags that mark no entities, such as parts of speech
    inside = {tag.name: label for label, tag in tags.items() if tag and tag.place == "I"}
    return {label: inside.get(tag.name) if tag and tag.place in "BS" else label for label, tag in tags.items()}
