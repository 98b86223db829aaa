"""Lone surrogates in any field are replaced and counted; files that are not UTF-8 are named."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from reading_support import LABELS, read, refused

from ernie_paddle.errors import UserError

HALF, SIGN = "\ud83d", "\ufffd"
SQUAD = [
    {"id": f"Q{HALF}", "question": f"哪{HALF}里", "answers": [{"text": f"北{HALF}京", "answer_start": 5}]},
    {
        "id": "R",
        "question": "谁",
        "answers": [{"text": "小明", "answer_start": 1}, {"text": f"京{HALF}。", "answer_start": 7}],
    },
]
JSON: dict[str, tuple[Any, dict[str, Any]]] = {
    "squad": ({"data": [{"paragraphs": [{"context": f"{HALF}小明生于北{HALF}京{HALF}。", "qas": SQUAD}]}]}, {}),
    "c3": ([[[f"句{HALF}"], [{"question": HALF, "choice": ["甲", f"{HALF}乙"], "answer": f"{HALF}乙"}], "1"]], {}),
}
LINES: dict[str, tuple[Any, dict[str, Any]]] = {
    "json_lines": (
        {f"{HALF}": f"微博{HALF}", "b": [f"{HALF}{HALF}", "😀"], "label": "no"},
        {"keys": {"text_a": SIGN, "text_b": "b"}},
    ),
    "wsc": (
        {
            "text": f"{HALF}手机{HALF}响了，它",
            "target": {"span1_text": f"机{HALF}", "span1_index": 2, "span2_text": "它", "span2_index": 7},
            "label": "no",
        },
        {},
    ),
    "chid": ({"content": [f"去{HALF}#idiom000001#吧{HALF}"], "candidates": [f"百尺{HALF}", "随波逐流"]}, {}),
}


def texts_of(value: Any) -> list[str]:
    if dataclasses.is_dataclass(value):
        return [text for field in dataclasses.fields(value) for text in texts_of(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [text for part in value for text in texts_of(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("format", [*JSON, *LINES])
def test_examples_are_those_of_a_file_with_a_sign_for_each_half(tmp_path: Path, format: str) -> None:
    value, reading = (JSON | LINES)[format]
    (tmp_path / "train_answer.json").write_text('{"#idiom000001#": 1}')
    content = json.dumps(value) + "\n"
    labels = LABELS if format in ("json_lines", "wsc") else None
    cut = read(tmp_path, content, {"format": format, **reading}, labels)
    whole = read(
        tmp_path,
        content.replace("\\ud83d\\ud83d", "\\ufffd" * 2).replace("\\ud83d\\ude00", "😀").replace("\\ud83d", "\\ufffd"),
        {"format": format, **reading},
        labels,
    )
    assert cut.examples == whole.examples
    assert any(SIGN in text for text in texts_of(cut.examples))
    ((what, tally),) = cut.report.corrected.items()
    assert what.startswith("half a character") and tally.count == 1 and "train.json" in tally.places[0]
    assert not whole.report.corrected


def test_answers_stand_where_they_are_in_the_cleaned_context(tmp_path: Path) -> None:
    examples = read(tmp_path, json.dumps(JSON["squad"][0]), {"format": "squad"}).examples
    found = [(answer.text, answer.start) for example in examples for answer in example.answers]
    assert found == [(f"北{SIGN}京", 5), ("小明", 1), (f"京{SIGN}。", 7)]
    assert all(
        example.context.startswith(answer.text, answer.start) for example in examples for answer in example.answers
    )


@pytest.mark.parametrize(
    ("reading", "content", "labels"),
    [
        ({"format": "tsv"}, "text_a\tlabel\n微博{}\tno\n好\tyes\n", LABELS),
        ({"format": "tagged_rows"}, "text_a\tlabel\n微\x02{}\x02博\tO\x02O\x02O\n", ["O", "B"]),
        ({"format": "tagged_columns"}, "微\tO\n{}\tO\n\n好\tB\n", ["O", "B"]),
    ],
)
def test_tables_may_hold_halves_as_bytes(
    tmp_path: Path, reading: dict[str, Any], content: str, labels: list[str]
) -> None:
    whole = read(tmp_path, content.format(SIGN), reading, labels)
    cut = read(tmp_path, content.format(HALF).encode("utf-8", "surrogatepass"), reading, labels)
    assert cut.examples == whole.examples
    assert [tally.places[0].split()[-2:] for tally in cut.report.corrected.values()] == [["line", "2"]]
    paired = read(tmp_path, content.format("\ud83d\ude00").encode("utf-8", "surrogatepass"), reading, labels)
    assert paired.examples == read(tmp_path, content.format("😀"), reading, labels).examples


@pytest.mark.parametrize("half", ["", HALF])
def test_a_byte_order_mark_is_none_of_the_text_at_the_start_of_a_file_alone(tmp_path: Path, half: str) -> None:
    mark = "\ufeff"
    rows = f"{mark}甲{half}\tO\n\n{mark}乙{half}\tO\n"
    found = read(tmp_path, rows.encode("utf-8", "surrogatepass"), {"format": "tagged_columns"}, ["O", "B"])
    sign = SIGN if half else ""
    assert [example.tokens for example in found.examples] == [(f"甲{sign}",), (f"{mark}乙{sign}",)]
    document = json.dumps([[["句"], [{"question": "谁", "choice": ["甲", "乙"], "answer": "乙"}], "1"]])
    assert read(tmp_path, mark + document, {"format": "c3"}).examples[0].answer == 1


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le", "big5"])
@pytest.mark.parametrize("reading", ["tsv", "json_lines", "squad", "tagged_columns"])
def test_a_file_in_another_encoding_is_named_with_it(tmp_path: Path, reading: str, encoding: str) -> None:
    text = "群眾對此表示滿意，幹部也很高興。" if encoding == "big5" else "群众对此表示满意，干部也很高兴。"
    content = {
        "tsv": f"text_a\tlabel\n{text}\tno\n" + f"{text}\tyes\n" * 5,
        "json_lines": json.dumps({"sentence1": text, "label": "no"}, ensure_ascii=False) + "\n",
        "squad": json.dumps({"data": text}, ensure_ascii=False),
        "tagged_columns": "".join(f"{character}\tO\n" for character in text),
    }[reading]
    with pytest.raises(UserError) as error:
        read(tmp_path, content.encode(encoding), {"format": reading}, LABELS)
    refused(error, ["train.json", f"not UTF-8 but, by its bytes, {encoding}", "convert"])


def test_ascii_of_two_bytes_a_character_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, "text_a\tlabel\nwords\tno\n".encode("utf-16-be"), {"format": "tsv"}, LABELS)
    refused(error, ["train.json", "utf-16-be"])
