"""Plant small mistakes in modules, one at a time, and see which of them the fast tests notice."""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

from mutants import Mutant, mutants_of
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from selecting import ROOT, Test, Tests, seconds_of
from trying import Trier

from ernie_paddle.arguments import positive
from ernie_paddle.cli import Parser
from ernie_paddle.console import open_console, print_table
from ernie_paddle.errors import UserError
from ernie_paddle.files import write_json

RESULTS = ROOT / "runs/mutate/results.json"
CONSOLE = open_console()
LONGER = 4  # a mutant may take this many times as long as its tests do without it, and
START = 30  # seconds more, before it counts as noticed
LINE_EVERY = 20  # mistakes, where the output is no terminal


@dataclass(frozen=True)
class Result:
    """What became of a mutant: killed, survived, "timed out" (noticed too) or "no test" runs it."""

    mutant: Mutant
    status: str
    test: str = ""

    @property
    def noticed(self) -> bool:
        return self.status in ("killed", "timed out")


def main() -> None:
    args = _arguments()
    try:
        planted = _planted(args)
        tests = Tests.record(args.jobs, args.fresh)
        results = _try_all(planted, tests, args)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    if len(results) < len(planted):
        CONSOLE.print(f"stopped after {args.minutes} minutes: {len(planted) - len(results)} mistakes were not tried")
    _print(results)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, [asdict(result) for result in results])


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog="mutate.sh",
        description=__doc__,
        epilog="example:\n  bash tools/mutate.sh ernie_paddle/programs tasks/finetuning/cloze.py --sample 20",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="modules or folders of modules")
    parser.add_argument("--sample", type=positive, default=30, help="mistakes a module at most (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the mistakes (default 1)")
    parser.add_argument("--minutes", type=positive, default=60, help="time limit (default 60)")
    parser.add_argument("--jobs", type=positive, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--test-seconds", type=positive, default=60, help="tests a mistake, by their time (default 60)")
    parser.add_argument("--survivors", action="store_true", help="try what survived the last time once more")
    parser.add_argument("--fresh", action="store_true", help="record anew what each test runs")
    args = parser.parse_args()
    if not args.paths and not args.survivors:
        parser.error("name modules or folders, or --survivors")
    return args


def _planted(args: argparse.Namespace) -> list[Mutant]:
    """Return the mistakes to try, in random order, so that a time limit leaves a sample of all."""
    planted: list[Mutant] = []
    if args.survivors:
        planted = list(_survivors())
    for module in _modules(args.paths):
        found = mutants_of(module, (ROOT / module).read_text())
        planted += random.Random(f"{args.seed} {module}").sample(found, min(args.sample, len(found)))
    random.Random(args.seed).shuffle(planted)
    return planted


def _modules(paths: list[str]) -> list[str]:
    found: set[Path] = set()
    for name in paths:
        path = Path(name).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            raise UserError(f"{name}: there is no such module or folder in {ROOT}")
        found.update(path.rglob("*.py") if path.is_dir() else [path])
    return sorted(str(path.relative_to(ROOT)) for path in found)


def _survivors() -> Iterator[Mutant]:
    """Yield what survived the last time and can still be planted; lines may have moved."""
    if not RESULTS.exists():
        raise UserError("--survivors: there are no results of a last time")
    last = [(found["mutant"], found["status"]) for found in json.loads(RESULTS.read_text())]
    missed = {
        (mutant["module"], mutant["kind"], mutant["before"], mutant["after"], mutant["line"])
        for mutant, status in last
        if status in ("survived", "no test")
    }
    for module in sorted({module for module, *_ in missed}):
        for mutant in mutants_of(module, (ROOT / module).read_text()):
            if (module, mutant.kind, mutant.before, mutant.after, mutant.line) in missed:
                yield mutant


def _try_all(planted: list[Mutant], tests: Tests, args: argparse.Namespace) -> list[Result]:
    """Try mistakes side by side, a copy of the checkout for each process."""
    began = time.monotonic()
    deadline = began + 60 * args.minutes
    results: list[Result] = []
    columns = (TextColumn("mistakes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="mutate-") as folder,
        ThreadPoolExecutor(args.jobs) as pool,
        Progress(*columns, console=CONSOLE, disable=not CONSOLE.is_terminal) as progress,
    ):
        bar = progress.add_task("mistakes", total=len(planted))
        free: SimpleQueue[Trier] = SimpleQueue()
        triers = [Trier(Path(folder) / str(number)) for number in range(args.jobs)]
        for trier in triers:
            free.put(trier)

        def work(mutant: Mutant) -> None:
            if time.monotonic() > deadline:
                return
            trier = free.get()
            try:
                result = _try(trier, mutant, tests.that_run(mutant, args.test_seconds))
            finally:
                free.put(trier)
            results.append(result)
            progress.advance(bar)
            if not CONSOLE.is_terminal and len(results) % LINE_EVERY == 0:
                left = (time.monotonic() - began) / len(results) * (len(planted) - len(results))
                CONSOLE.print(f"{len(results)} of {len(planted)} tried, {timedelta(seconds=round(left))} left")
            if not result.noticed:
                progress.console.print(_row(result), soft_wrap=True)

        list(pool.map(work, planted))
        for trier in triers:
            trier.close()
    return sorted(results, key=lambda result: (result.mutant.module, result.mutant.start))


def _try(trier: Trier, mutant: Mutant, tests: list[Test]) -> Result:
    """Run the tests with a mistake planted; a test that fails without it too does not count."""
    source = mutant.apply((ROOT / mutant.module).read_text())
    while tests:
        seconds = START + LONGER * seconds_of(tests)
        status, failed = trier.run([test.name for test in tests], seconds, mutant.module, source)
        if status == "passed":
            return Result(mutant, "survived")
        if status == "timed out":
            return Result(mutant, status)
        if not failed or trier.run([failed], seconds, mutant.module).status == "passed":
            return Result(mutant, "killed", failed)
        tests = [test for test in tests if test.name != failed]
    return Result(mutant, "no test")


def _row(result: Result) -> str:
    mutant = result.mutant
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after or "nothing"))
    place = f"{mutant.module}:{mutant.first_line}"
    return f"{result.status}: {place} {mutant.kind}: {before}  ->  {after}\n    {mutant.line}"


def _print(results: list[Result]) -> None:
    table = Table("module", title="mistakes noticed")
    for column in ("planted", "noticed", "survived", "no test", "share"):
        table.add_column(column, justify="right")
    modules = sorted({result.mutant.module for result in results})
    for module in [*modules, "all"]:
        found = [result for result in results if module in ("all", result.mutant.module)]
        noticed = sum(result.noticed for result in found)
        counts = [sum(result.status == status for result in found) for status in ("survived", "no test")]
        share = f"{noticed / len(found):.0%}" if found else "-"
        table.add_row(module, str(len(found)), str(noticed), *map(str, counts), share)
    print_table(CONSOLE, table)
    for result in results:
        if not result.noticed:
            CONSOLE.print(_row(result), soft_wrap=True)


if __name__ == "__main__":
    main()
