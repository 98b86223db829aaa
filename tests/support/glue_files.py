"""A few dozen rows of each task of GLUE in its own format, quirks included."""

from benchmark import ROWS, Benchmark, english


def cola() -> Benchmark:
    made = Benchmark()
    for split in ("train", "dev"):
        texts = [(english(row, split), str(row % 2)) for row in range(ROWS)]
        made.table(
            f"{split}.tsv", [["gj04", label, "" if row % 3 else "*", text] for row, (text, label) in enumerate(texts)]
        )
        made.sets[split] = [(text, None, label, None) for text, label in texts]
    made.table("test.tsv", [[str(row), english(row, "test")] for row in range(ROWS)], "index sentence")
    made.sets["test"] = [(english(row, "test"), None, None, None) for row in range(ROWS)]
    return made


def sst2() -> Benchmark:
    made = Benchmark()
    for split in ("train", "dev"):
        made.table(f"{split}.tsv", [[english(row, split), str(row % 2)] for row in range(ROWS)], "sentence label")
        made.sets[split] = [(english(row, split), None, str(row % 2), None) for row in range(ROWS)]
    made.table("test.tsv", [[str(row), english(row, "test")] for row in range(ROWS)], "index sentence")
    made.sets["test"] = [(english(row, "test"), None, None, None) for row in range(ROWS)]
    return made


def mrpc() -> Benchmark:
    """Return MRPC's files, with byte-order mark and carriage returns like the original paraphrase files."""
    made = Benchmark()
    strings = "\t#1 ID\t#2 ID\t#1 String\t#2 String"
    for split in ("train", "dev", "test"):
        first = [str(row) if split == "test" else str(row % 2) for row in range(ROWS)]
        rows = [[first[row], "702", "703", english(row, "a"), english(row, "b")] for row in range(ROWS)]
        made.table(f"{split}.tsv", rows, end="\r\n")
        header = "\ufeff" + ("index" if split == "test" else "Quality") + strings + "\r\n"
        made.files[f"{split}.tsv"] = header.encode() + made.files[f"{split}.tsv"]
        labels = [None if split == "test" else str(row % 2) for row in range(ROWS)]
        made.sets[split] = [(english(row, "a"), english(row, "b"), labels[row], None) for row in range(ROWS)]
    return made


def stsb() -> Benchmark:
    made = Benchmark()
    header = "index genre filename year old_index source1 source2 sentence1 sentence2"
    for split in ("train", "dev", "test"):
        scores = [row % 51 / 10 for row in range(ROWS)]
        rows = [
            [str(row), "main-news", "headlines", "2012test", str(row), "none", "", english(row, "a"), english(row, "b")]
            + ([] if split == "test" else [f"{scores[row]:.3f}"])
            for row in range(ROWS)
        ]
        made.table(f"{split}.tsv", rows, header if split == "test" else f"{header} score")
        labels = [None if split == "test" else scores[row] for row in range(ROWS)]
        made.sets[split] = [(english(row, "a"), english(row, "b"), labels[row], None) for row in range(ROWS)]
    return made


def qqp() -> Benchmark:
    """A row of the training file is broken in two by a line feed, one lacks a question, one its label."""
    made = Benchmark()
    for split in ("train", "dev"):
        rows = [[str(row), "1", "2", english(row, "a"), english(row, "b"), str(row % 2)] for row in range(ROWS)]
        made.sets[split] = [(row[3], row[4], row[5], None) for row in rows]
        if split == "train":
            broken = [["90", "1", "2", "a question that goes on"], ["in the next line", "b", "0"]]
            rows[10:10] = [*broken, ["91", "1", "2", "a", "", "0"], ["92", "1", "2", "a", "b", ""]]
        made.table(f"{split}.tsv", rows, "id qid1 qid2 question1 question2 is_duplicate")
    made.skipped["train"] = {"too few fields": 2, "empty text_b": 1, "empty label": 1}
    rows = [[str(row), english(row, "a"), "" if row == 5 else english(row, "b")] for row in range(ROWS)]
    made.table("test.tsv", rows, "id question1 question2")
    made.sets["test"] = [(row[1], row[2], None, None) for row in rows]
    return made


def mnli() -> Benchmark:
    made = Benchmark()
    names = ["contradiction", "neutral", "entailment"]
    header = "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
    header += " sentence1 sentence2"
    votes = {"train": 1, "dev_matched": 5, "dev_mismatched": 5, "test_matched": 0, "test_mismatched": 0}
    for name, count in votes.items():
        rows, made.sets[name] = [], []
        for row in range(ROWS):
            texts, gold = [english(row, "a"), english(row, "b")], names[row % 3]
            parses = ["( a )", "( b )", "(ROOT (S a))", "(ROOT (S b))"]
            others = [names[(row + 1) % 3]] * count
            rows.append([str(row), "31193", "31193n", "fiction", *parses, *texts, *others, *([gold] if count else [])])
            made.sets[name].append((*texts, gold if count else None, None))
        labels = [f"label{n}" for n in range(1, count + 1)] + (["gold_label"] if count else [])
        made.table(f"{name}.tsv", rows, " ".join([header, *labels]))
        assert len(rows[0]) == {0: 10, 1: 12, 5: 16}[count]
    return made


def indexed_pairs(first: str, second: str, labels: list[str]) -> Benchmark:
    """QNLI, RTE and WNLI: an index column, two texts, a label."""
    made = Benchmark()
    for split in ("train", "dev", "test"):
        given = [labels[row % 2] for row in range(ROWS)]
        rows = [[str(row + 7), english(row, "a"), english(row, "b")] for row in range(ROWS)]
        labelled = [[*row, label] for row, label in zip(rows, given, strict=True)]
        made.table(
            f"{split}.tsv",
            rows if split == "test" else labelled,
            f"index {first} {second}" + " label" * (split != "test"),
        )
        made.sets[split] = [(row[1], row[2], None if split == "test" else given[n], None) for n, row in enumerate(rows)]
    made.ids["test"] = [str(row + 7) for row in range(ROWS)]
    return made


def ax() -> Benchmark:
    made = Benchmark()
    rows = [[str(row), english(row, "a"), english(row, "b")] for row in range(ROWS)]
    made.table("diagnostic.tsv", rows, "index sentence1 sentence2")
    made.sets["test"] = [(row[1], row[2], None, None) for row in rows]
    return made
