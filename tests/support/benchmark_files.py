"""A few dozen rows of every benchmark in its own format, quirks included, and what should be read from them.

What is expected is written down while the rows are made, never read back from the files.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROWS = 24
CURIOUS = (
    'a "quoted start',
    "half a quote'",
    "next\x85line",
    "a\u2028b \x0b\x1c c",
    "trailing blank ",
    "naïve — ½",
    "#x, y; z",
)


@dataclass
class Benchmark:
    """Files by name and, by set, the fields of every example after id and place; ids where the data have their own."""

    files: dict[str, bytes] = field(default_factory=dict)
    sets: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    corrected: dict[str, dict[str, int]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def table(self, name: str, rows: list[list[str]], header: str | None = None, end: str = "\n") -> None:
        """Add a file of tab-separated rows; `header` names the columns with blanks between."""
        lines = ([header.replace(" ", "\t")] if header else []) + ["\t".join(row) for row in rows]
        self.files[name] = "".join(line + end for line in lines).encode()

    def lines(self, name: str, records: list[dict[str, Any]]) -> None:
        self.files[name] = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()

    def document(self, name: str, value: Any) -> None:
        self.files[name] = json.dumps(value, ensure_ascii=False, indent=1).encode()


def english(row: int, part: str) -> str:
    return f"{part} {row}: {CURIOUS[row % len(CURIOUS)]}"


def chinese(row: int, part: str) -> str:
    return f"第{row}句{part}，“引号”与 空格，iPhone {row}。"


# ---- GLUE ----


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
    """With byte-order mark and carriage returns, as the original paraphrase files have them."""
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
    made.left_out["train"] = {"too few fields": 2, "empty text_b": 1, "empty label": 1}
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


# ---- CLUE ----


def clue_lines(
    labels: list[str],
    files: dict[str, str],
    record: Callable[[int], dict[str, Any]],
    texts: Callable[[int], tuple[str, str | None]],
    dropped: int = 0,
) -> Benchmark:
    """Lines of JSON. `files` are the files by set; every `dropped`-th row of train and dev has the label '-'."""
    made = Benchmark()
    for name, file in files.items():
        rows = [(row, labels[row % len(labels)]) for row in range(max(ROWS, len(labels)))]
        if name.startswith("test"):
            made.lines(file, [{**record(row), "id": 100 + row} for row, _ in rows])
            made.sets[name] = [(*texts(row), None, None) for row, _ in rows]
            made.ids[name] = [str(100 + row) for row, _ in rows]
            continue
        rows = [(row, "-" if dropped and row % dropped == 0 else label) for row, label in rows]
        made.lines(file, [{**record(row), "label": label, "label_desc": "news"} for row, label in rows])
        made.sets[name] = [(*texts(row), label, None) for row, label in rows if label != "-"]
        made.ids[name] = [str(row) for row, label in rows if label != "-"]
        if dropped:
            made.left_out[name] = {"label '-'": sum(label == "-" for _, label in rows)}
    return made


SPLIT_FILES = {"train": "train.json", "dev": "dev.json", "test": "test.json"}
TWO_TEST_FILES = {"train": "train.json", "dev": "dev.json", "test_v1.0": "test1.0.json", "test_v1.1": "test.json"}
TNEWS = [str(code) for code in range(100, 117) if code not in (105, 111)]
NLI = ["neutral", "entailment", "contradiction"]


def pair(row: int) -> dict[str, Any]:
    return {"sentence1": chinese(row, "前"), "sentence2": chinese(row, "后")}


def pair_texts(row: int) -> tuple[str, str | None]:
    return chinese(row, "前"), chinese(row, "后")


def sentence(row: int) -> dict[str, Any]:
    return {"sentence": chinese(row, "题"), "keywords": "甲,乙"}


def sentence_text(row: int) -> tuple[str, str | None]:
    return chinese(row, "题"), None


def ocnli() -> Benchmark:
    files = {**SPLIT_FILES, "train": "train.50k.json"}
    more = {"level": "easy", "genre": "lit", "prem_id": "lit_635"}
    return clue_lines(NLI, files, lambda row: {**more, "id": row, **pair(row)}, pair_texts, dropped=7)


def csl() -> Benchmark:
    return clue_lines(
        ["0", "1"],
        SPLIT_FILES,
        lambda row: {"id": 100 + row, "abst": chinese(row, "摘要"), "keyword": ["水声学", f"FFT {row}", "成像"]},
        lambda row: (f"水声学 FFT {row} 成像", chinese(row, "摘要")),
    )


def clue_diagnostics() -> Benchmark:
    made = Benchmark()
    records = [{"index": row, "premise": chinese(row, "前"), "hypothesis": chinese(row, "后")} for row in range(ROWS)]
    made.lines("diagnostics_test.json", records)
    made.sets["test"] = [(*pair_texts(row), None, None) for row in range(ROWS)]
    made.ids["test"] = [str(row) for row in range(ROWS)]
    return made


def cluewsc2020() -> Benchmark:
    """Every sixth row of the training file has a wrong offset; its word stands once in the text."""
    from tasks.finetuning.reading.examples import Span

    made = Benchmark()
    for name, file in TWO_TEST_FILES.items():
        records, made.sets[name] = [], []
        for row in range(ROWS):
            text = f"{'这' * row}时候放在床上枕头旁边的手机响了，现在它突然响了。"
            noun, pronoun = Span("手机", row + 11), Span("它", row + 18)
            shift = 3 if name == "train" and row % 6 == 0 else 0
            target = {
                "span1_text": "手机",
                "span1_index": noun.start + shift,
                "span2_text": "它",
                "span2_index": pronoun.start,
            }
            label = ["true", "false"][row % 2]
            own = {"id": row} if name.startswith("test") else {"idx": 261, "label": label}
            records.append({"target": target, "text": text, **own})
            made.sets[name].append((text, noun, pronoun, None if name.startswith("test") else label))
        made.lines(file, records)
    made.corrected["train"] = {"the offset of a word": 4}
    return made


def chid() -> Benchmark:
    made = Benchmark()
    candidates = [
        "百尺竿头",
        "随波逐流",
        "方兴未艾",
        "身体力行",
        "一日千里",
        "三十而立",
        "逆水行舟",
        "日新月异",
        "百花齐放",
        "沧海一粟",
    ]
    tag = 378
    for name, file in {"train": "train.json", "dev": "dev.json", "test": "test1.1.json"}.items():
        records, made.sets[name], made.ids[name], answers = [], [], [], {}
        for row in range(ROWS):
            one, two, three = (f"#idiom{tag + n:06d}#" for n in range(3))
            tag += 3
            parts = [
                ("他们希望能", "再进一步。"),
                ("去", f"？诚然，{three}远比随大流更辛苦。"),
                (f"去{two}？诚然，", "远比随大流更辛苦。"),
            ]
            content = [f"他们希望能{one}再进一步。", "没有空的一段。", f"去{two}？诚然，{three}远比随大流更辛苦。"]
            records.append({"content": content, "candidates": candidates})
            for (left, right), blank, passage in zip(parts, (one, two, three), (0, 2, 2), strict=True):
                answers[blank] = (row + passage) % 10
                answer = None if name == "test" else answers[blank]
                made.sets[name].append((left, right, tuple(candidates), answer, str(row), passage))
                made.ids[name].append(blank)
        made.lines(file, records)
        if name != "test":
            made.document(file.replace(".json", "_answer.json"), answers)
    return made


def c3() -> Benchmark:
    made = Benchmark()
    files = {"train": ["d-train.json", "m-train.json"], "dev": ["d-dev.json", "m-dev.json"], "test": ["test1.1.json"]}
    choices = ("恐怖片", "爱情片", "喜剧片", "科幻片")
    question = 0
    for name, parts in files.items():
        made.sets[name], made.ids[name] = [], []
        for file in parts:
            entries = []
            for row in range(ROWS // 2):
                sentences = [f"男：{chinese(row, '问')}", "女：我喜欢喜剧片。"][: 1 + row % 2]
                asked = []
                for n in range(1 + row % 3):
                    some = choices[: 2 + (row + n) % 3]
                    asked.append(
                        {
                            "question": f"问题{n}？",
                            "choice": list(some),
                            "answer": "" if name == "test" else some[row % len(some)],
                        }
                    )
                    if name == "test":
                        asked[-1]["id"] = question
                        made.ids[name].append(str(question))
                        question += 1
                    else:
                        made.ids[name].append(f"{file.removesuffix('.json')}/{row}-{n}")
                    answer = None if name == "test" else row % len(some)
                    made.sets[name].append(("\n".join(sentences), f"问题{n}？", some, answer))
                entries.append([sentences, asked, f"25-{row}"])
            made.document(file, entries)
    return made


# ---- reading comprehension ----


def squad(files: dict[str, str], unlabelled: tuple[str, ...] = (), traditional: bool = False) -> Benchmark:
    """Two questions a context. Some answers stand elsewhere than they say, and one of each file nowhere."""
    from tasks.finetuning.reading.examples import Answer

    made = Benchmark()
    words = (
        ("基督新教與天主教均繼承普世教會", "因信稱義")
        if traditional
        else ("工商协进会报告，十二月消费者信心上升", "傻钱策略")
    )
    for name, file in files.items():
        paragraphs, made.sets[name], made.ids[name] = [], [], []
        for row in range(ROWS // 2):
            context = f" {words[0] * (1 + row)}所谓“{words[1]}”，{words[0]}。"  # a blank at its start, as some have
            start = context.index(words[1])
            wrong = {3: start + 2, 4: 0}.get(row, start)
            answers = [{"text": words[1], "answer_start": wrong}, {"text": words[0][:2], "answer_start": 1}]
            lost = (
                [{"text": "不在文中", "answer_start": 5}]
                if row == 6
                else [{"text": context[-4:], "answer_start": len(context) - 4}]
            )
            fake = [{"text": "FAKE_ANSWER_1", "answer_start": -1}]
            asked = []
            for n, given in enumerate((answers, lost)):
                number = f"{name.upper()}_{row}_QUERY_{n}"
                asked.append({"question": f"第{n}问？", "id": number, "answers": fake if name in unlabelled else given})
                right = (
                    (Answer(words[1], start), Answer(words[0][:2], 1))
                    if n == 0
                    else (Answer(context[-4:], len(context) - 4),)
                )
                if n == 1 and row == 6:
                    if name == "train":
                        continue
                    right = (Answer("不在文中", None),)
                made.sets[name].append((f"第{n}问？", context, () if name in unlabelled else right))
                made.ids[name].append(number)
            paragraphs.append({"id": f"{row}", "context": context, "qas": asked})
        half = len(paragraphs) // 2
        articles = [{"title": "题", "id": "1", "paragraphs": part} for part in (paragraphs[:half], paragraphs[half:])]
        made.document(file, {"version": "v1.0", "data": articles})
        if name not in unlabelled:
            made.corrected[name] = {"the offset of an answer": 2}
    if "train" in files:
        made.left_out["train"] = {"an answer that is not in its context": 1}
    return made


# ---- the release's Chinese files ----


def release_table(header: str, labels: list[str], spaced: bool = False) -> Benchmark:
    """Columns of the release's converted files; `spaced`: the training file is segmented by blanks."""
    made = Benchmark()
    columns = header.split()
    for split in ("train", "dev", "test"):
        rows, made.sets[split] = [], []
        for row in range(ROWS):
            values = {"label": labels[row % len(labels)], "qid": str(row // 4)}
            values |= {"text_a": chinese(row, "前"), "text_b": chinese(row, "后")}
            clean = {name: value.replace(" ", "") for name, value in values.items()}
            if spaced and split == "train":
                values |= {name: " ".join(clean[name]) for name in ("text_a", "text_b")}
            rows.append([values[column] for column in columns])
            label = "contradictory" if clean["label"] == "contradiction" else clean["label"]
            second = clean["text_b"] if "text_b" in columns else None
            made.sets[split].append((clean["text_a"], second, label, clean["qid"] if "qid" in columns else None))
        made.table(f"{split}.tsv", rows, header)
    return made


def msra_ner() -> Benchmark:
    made = Benchmark()
    tokens, tags = list("海钓比赛地点在厦门与 金门"), ["O"] * 7 + ["B-LOC", "I-LOC", "O", "O", "B-LOC", "I-LOC"]
    for split in ("train", "dev", "test"):
        rows = [(tokens[row % 5 :], tags[row % 5 :]) for row in range(ROWS)]
        made.table(f"{split}.tsv", [["\x02".join(a), "\x02".join(b)] for a, b in rows], "text_a label")
        made.sets[split] = [(tuple(a), tuple(b)) for a, b in rows]
    return made


def thucnews() -> Benchmark:
    made = Benchmark()
    labels = ["体育", "财经", "房产", "家居", "教育", "科技", "时尚", "时政", "游戏", "娱乐"]
    for name, file in {"train": "train.txt", "dev": "val.txt", "test": "test.txt"}.items():
        texts = ["\t".join(["马晓旭意外受伤", f"让国奥警惕{row}"][: 1 + row % 2]) for row in range(ROWS)]
        made.table(file, [[labels[row % 10], text] for row, text in enumerate(texts)])
        made.sets[name] = [(text, None, labels[row % 10], None) for row, text in enumerate(texts)]
    return made


MRC_FILES = {"train": "train.json", "dev": "dev.json"}

BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "glue/cola": cola,
    "glue/sst-2": sst2,
    "glue/mrpc": mrpc,
    "glue/sts-b": stsb,
    "glue/qqp": qqp,
    "glue/mnli": mnli,
    "glue/qnli": lambda: indexed_pairs("question", "sentence", ["not_entailment", "entailment"]),
    "glue/rte": lambda: indexed_pairs("sentence1", "sentence2", ["not_entailment", "entailment"]),
    "glue/wnli": lambda: indexed_pairs("sentence1", "sentence2", ["0", "1"]),
    "glue/ax": ax,
    "clue/afqmc": lambda: clue_lines(["0", "1"], SPLIT_FILES, pair, pair_texts),
    "clue/tnews": lambda: clue_lines(TNEWS, TWO_TEST_FILES, sentence, sentence_text),
    "clue/iflytek": lambda: clue_lines([str(n) for n in range(119)], SPLIT_FILES, sentence, sentence_text),
    "clue/cmnli": lambda: clue_lines(NLI, SPLIT_FILES, pair, pair_texts, dropped=5),
    "clue/ocnli": ocnli,
    "clue/csl": csl,
    "clue/cluewsc2020": cluewsc2020,
    "clue/cmrc2018": lambda: squad({**MRC_FILES, "test": "test.json"}, unlabelled=("test",)),
    "clue/chid": chid,
    "clue/c3": c3,
    "clue/diagnostics": clue_diagnostics,
    "ernie_zh/chnsenticorp": lambda: release_table("label text_a", ["0", "1"]),
    "ernie_zh/lcqmc": lambda: release_table("text_a text_b label", ["0", "1"]),
    "ernie_zh/bq": lambda: release_table("text_a text_b label", ["0", "1"]),
    "ernie_zh/xnli": lambda: release_table("text_a text_b label", ["contradiction", "entailment", "neutral"], True),
    "ernie_zh/nlpcc-dbqa": lambda: release_table("qid text_a text_b label", ["0", "1"]),
    "ernie_zh/msra_ner": msra_ner,
    "ernie_zh/thucnews": thucnews,
    "ernie_zh/cmrc2018": lambda: squad(MRC_FILES),
    "ernie_zh/drcd": lambda: squad({**MRC_FILES, "test": "test.json"}, traditional=True),
    "ernie_zh/dureader": lambda: squad(MRC_FILES),
}
