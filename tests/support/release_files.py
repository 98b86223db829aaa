"""A few dozen rows in the formats of the release's Chinese tasks, and questions in SQuAD's."""

from benchmark import ROWS, Benchmark, chinese

from tasks.finetuning.reading.examples import Answer


def squad(files: dict[str, str], unlabelled: tuple[str, ...] = (), traditional: bool = False) -> Benchmark:
    """Two questions a context. Some answers stand elsewhere than they say, and one of each file nowhere."""
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
        if name not in (*unlabelled, "train"):
            made.kept[name] = {"an answer that is not in its context": 1}
    if "train" in files:
        made.skipped["train"] = {"an answer that is not in its context": 1}
    return made


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
