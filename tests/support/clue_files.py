"""A few dozen rows of each task of CLUE in its own format, quirks included."""

from collections.abc import Callable
from typing import Any

from benchmark import ROWS, Benchmark, chinese

from tasks.finetuning.reading.examples import Span

IDIOMS = "百尺竿头 随波逐流 方兴未艾 身体力行 一日千里 三十而立 逆水行舟 日新月异 百花齐放 沧海一粟".split()


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
            made.skipped[name] = {"label '-'": sum(label == "-" for _, label in rows)}
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


def afqmc() -> Benchmark:
    return clue_lines(["0", "1"], SPLIT_FILES, pair, pair_texts)


def tnews() -> Benchmark:
    return clue_lines(TNEWS, TWO_TEST_FILES, sentence, sentence_text)


def iflytek() -> Benchmark:
    return clue_lines([str(code) for code in range(119)], SPLIT_FILES, sentence, sentence_text)


def cmnli() -> Benchmark:
    return clue_lines(NLI, SPLIT_FILES, pair, pair_texts, dropped=5)


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
    candidates = list(IDIOMS)
    tag = 378
    for name, file in {"train": "train.json", "dev": "dev.json", "test": "test1.1.json"}.items():
        records, made.sets[name], made.ids[name], answers = [], [], [], {}
        for row in range(ROWS):
            one, two, three = (f"#idiom{tag + n:06d}#" for n in range(3))
            tag += 3
            right = [(row + 3 * n) % 10 for n in range(3)]
            first, second, third = ("甲乙丙丁戊己庚辛壬癸"[answer] for answer in right)  # what can be learnt
            parts = [
                (f"{first}，他们希望能", "再进一步。"),
                (f"去{second}", f"？{third}，诚然，{three}远比随大流更辛苦。"),
                (f"去{second}{two}？{third}，诚然，", "远比随大流更辛苦。"),
            ]
            content = [
                f"{first}，他们希望能{one}再进一步。",
                "没有空的一段。",
                f"去{second}{two}？{third}，诚然，{three}远比随大流更辛苦。",
            ]
            records.append({"content": content, "candidates": candidates})
            blanks = zip(parts, (one, two, three), (0, 2, 2), right, strict=True)
            for (before, after), blank, passage, answer in blanks:
                answers[blank] = answer
                known = None if name == "test" else answer
                made.sets[name].append((before, after, tuple(candidates), known, str(row), passage))
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
