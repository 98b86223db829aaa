"""A few dozen rows of every benchmark in its own format, and what should be read from them, by recipe.

What is expected is written down while the rows are made, never read back from the files.
"""

from collections.abc import Callable

import clue_files
import glue_files
import release_files
from benchmark import Benchmark

MRC_FILES = {"train": "train.json", "dev": "dev.json"}

BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "glue/cola": glue_files.cola,
    "glue/sst-2": glue_files.sst2,
    "glue/mrpc": glue_files.mrpc,
    "glue/sts-b": glue_files.stsb,
    "glue/qqp": glue_files.qqp,
    "glue/mnli": glue_files.mnli,
    "glue/qnli": lambda: glue_files.indexed_pairs("question", "sentence", ["not_entailment", "entailment"]),
    "glue/rte": lambda: glue_files.indexed_pairs("sentence1", "sentence2", ["not_entailment", "entailment"]),
    "glue/wnli": lambda: glue_files.indexed_pairs("sentence1", "sentence2", ["0", "1"]),
    "glue/ax": glue_files.ax,
    "clue/afqmc": clue_files.afqmc,
    "clue/tnews": clue_files.tnews,
    "clue/iflytek": clue_files.iflytek,
    "clue/cmnli": clue_files.cmnli,
    "clue/ocnli": clue_files.ocnli,
    "clue/csl": clue_files.csl,
    "clue/cluewsc2020": clue_files.cluewsc2020,
    "clue/cmrc2018": lambda: release_files.squad({**MRC_FILES, "test": "test.json"}, unlabelled=("test",)),
    "clue/chid": clue_files.chid,
    "clue/c3": clue_files.c3,
    "clue/diagnostics": clue_files.clue_diagnostics,
    "ernie_zh/chnsenticorp": lambda: release_files.release_table("label text_a", ["0", "1"]),
    "ernie_zh/lcqmc": lambda: release_files.release_table("text_a text_b label", ["0", "1"]),
    "ernie_zh/bq": lambda: release_files.release_table("text_a text_b label", ["0", "1"]),
    "ernie_zh/xnli": lambda: release_files.release_table(
        "text_a text_b label", ["contradiction", "entailment", "neutral"], True
    ),
    "ernie_zh/nlpcc-dbqa": lambda: release_files.release_table("qid text_a text_b label", ["0", "1"]),
    "ernie_zh/msra_ner": release_files.msra_ner,
    "ernie_zh/thucnews": release_files.thucnews,
    "ernie_zh/cmrc2018": lambda: release_files.squad(MRC_FILES),
    "ernie_zh/drcd": lambda: release_files.squad({**MRC_FILES, "test": "test.json"}, traditional=True),
    "ernie_zh/dureader": lambda: release_files.squad(MRC_FILES),
}
