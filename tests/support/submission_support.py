"""Test files in the benchmarks' original formats, some rows each, and predictions on them."""

import json
from pathlib import Path
from typing import Any

from clue_files import IDIOMS

ROWS = 5
MNLI_HEADER = (
    "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse "
    "sentence1 sentence2"
)
GLUE_HEADERS = {
    "CoLA/test.tsv": "index sentence",
    "SST-2/test.tsv": "index sentence",
    "MRPC/test.tsv": "index|#1 ID|#2 ID|#1 String|#2 String",
    "STS-B/test.tsv": "index genre filename year old_index source1 source2 sentence1 sentence2",
    "QQP/test.tsv": "id question1 question2",
    "MNLI/test_matched.tsv": MNLI_HEADER,
    "MNLI/test_mismatched.tsv": MNLI_HEADER,
    "QNLI/test.tsv": "index question sentence",
    "RTE/test.tsv": "index sentence1 sentence2",
    "WNLI/test.tsv": "index sentence1 sentence2",
    "diagnostic/diagnostic.tsv": "index sentence1 sentence2",
}
GLUE_LABELS = {
    "CoLA": ["0", "1"],
    "SST-2": ["1", "0"],
    "MRPC": ["1", "0"],
    "STS-B": ["-0.25", "2.34567", "5.9", "0", "1e0"],
    "QQP": ["0", "1"],
    "MNLI-m": ["entailment", "neutral", "contradiction"],
    "MNLI-mm": ["neutral", "contradiction", "entailment"],
    "QNLI": ["entailment", "not_entailment"],
    "RTE": ["not_entailment", "entailment"],
    "WNLI": ["0", "1"],
    "AX": ["contradiction", "neutral", "entailment"],
}
CLUE_LABELS = {
    "afqmc": ["0", "1"],
    "tnews10": ["100", "116", "104"],
    "tnews11": ["106", "112"],
    "iflytek": ["0", "118", "7"],
    "cmnli": ["neutral", "entailment"],
    "ocnli_50k": ["contradiction", "neutral"],
    "cluewsc10": ["true", "false"],
    "cluewsc11": ["false", "true"],
    "csl": ["1", "0"],
    "diagnostics": ["entailment", "contradiction"],
}
CLUE_IDS = {"csl": [2963, 17, 401, 9, 30], "diagnostics": [1, 2, 3, 4, 5]}  # of other tasks the numbers of the rows


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_predictions(folder: Path, task: str, ids: list[Any], labels: list[str]) -> None:
    rows = (f"{id}\t{labels[i % len(labels)]}\n" for i, id in enumerate(ids))
    write(folder / f"{task}.tsv", "index\tprediction\n" + "".join(rows))


# ---- GLUE ----


def write_glue_data(folder: Path) -> None:
    """GLUE's test files with their headers; texts have quotes that do not close, as GLUE's do."""
    for name, header in GLUE_HEADERS.items():
        columns = header.split("|" if "|" in header else " ")
        rows = ["\t".join([str(i), *[f'a "text {i}'] * (len(columns) - 1)]) for i in range(ROWS)]
        write(folder / name, "\n".join(["\t".join(columns), *rows]) + "\n")


def write_glue_predictions(folder: Path) -> None:
    for task, labels in GLUE_LABELS.items():
        write_predictions(folder, task, list(range(ROWS)), labels)


# ---- CLUE ----


def write_clue_data(folder: Path) -> None:
    """CLUE's test files, in folders named as its archives unpack."""
    pair = {"sentence1": "双十一花呗提额在哪", "sentence2": "里可以提花呗额度"}
    wsc = {
        "target": {"span2_index": 9, "span1_index": 5, "span1_text": "床", "span2_text": "它"},
        "text": "他在床上，它很软",
    }
    kinds: dict[str, dict[str, Any]] = {
        "afqmc_public/test.json": pair,
        "tnews_public/test1.0.json": {"sentence": "在设计史上，每当相对稳定的发展时期", "keywords": ""},
        "tnews_public/test.json": {"sentence": "如何评价", "keywords": ""},
        "iflytek_public/test.json": {"sentence": "应用"},
        "cmnli_public/test.json": pair,
        "ocnli_public/test.json": {**pair, "level": "easy", "genre": "gov", "prem_id": "gov_1"},
        "cluewsc2020_public/test1.0.json": wsc,
        "cluewsc2020_public/test.json": wsc,
    }
    for name, row in kinds.items():
        write_json_lines(folder / name, [{"id": i, **row} for i in range(ROWS)])
    csl = {"abst": "为解决传统均匀FFT波束形成算法引起的问题", "keyword": ["水声学", "FFT"]}
    write_json_lines(folder / "csl_public/test.json", [{"id": id, **csl} for id in CLUE_IDS["csl"]])
    diagnostics = [
        {"index": i, "premise": "李四正在比赛。", "hypothesis": "李四在比赛。"} for i in CLUE_IDS["diagnostics"]
    ]
    write_json_lines(folder / "clue_diagnostics_public/diagnostics_test.json", diagnostics)
    qas = [{"id": f"TEST_0_QUERY_{i}", "question": "？", "answers": []} for i in range(3)]
    squad = {"version": "1.0", "data": [{"title": "", "paragraphs": [{"id": "TEST_0", "context": "舰", "qas": qas}]}]}
    write(folder / "cmrc2018_public/test.json", json.dumps(squad, ensure_ascii=False))
    blanks = [
        ["希望能#idiom623377#再进一步。", "去#idiom623378#？诚然，#idiom623379#更辛苦。"],
        ["发展可谓#idiom623380#。"],
    ]
    write_json_lines(folder / "chid_public/test1.1.json", [{"content": b, "candidates": IDIOMS} for b in blanks])
    c3 = [
        [["男：你好。", "女：你好。"], [{"question": "谁？", "choice": ["男", "女"], "id": 0}], "1-140"],
        [["文"], [{"question": "？", "choice": list("甲乙丙丁"), "id": i} for i in (1, 2)], "m-12"],
    ]
    write(folder / "c3_public/test1.1.json", json.dumps(c3, ensure_ascii=False))


def write_clue_predictions(folder: Path) -> None:
    for task, labels in CLUE_LABELS.items():
        write_predictions(folder, task, CLUE_IDS.get(task, list(range(ROWS))), labels)
    write_predictions(folder, "chid11", [f"#idiom{623377 + i}#" for i in range(4)], ["0", "9", "3", "1"])
    write_predictions(folder, "c311", [0, 1, 2], ["1", "3", "0"])
    answers = {"TEST_0_QUERY_0": "美国海军\t“提康德罗加”级", "TEST_0_QUERY_1": "", "TEST_0_QUERY_2": "1862年"}
    write(folder / "cmrc2018.json", json.dumps(answers, ensure_ascii=False))
