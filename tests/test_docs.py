"""What the pages show works: commands run, keys, options, files and links exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from commands_reference import parser_of, script_help, script_paths
from helpers import run_command
from known_keys import SECTIONS, dotted, is_known, known_keys, settings_classes
from pages import FILE, NOT_RUN, PRINTED, ROOT, RUN, Page, read_pages
from pydantic import Field
from settings_reference import Key, keys

from ernie_paddle import __version__
from ernie_paddle.config import Settings
from ernie_paddle.registry import load_plugins
from ernie_paddle.training.log_file import read_result

README, README_ZH = "README.md", "README_zh.md"
PAGES = read_pages()
SHOWN = {name: page for name, page in PAGES.items() if name.startswith("docs/") or name == README}
RUNNABLE = {
    name: page for name, page in SHOWN.items() if name != README and any(block.mark == RUN for block in page.blocks)
}
DEMO = "ernie-paddle corpus demo --out corpora"
TRAINS = re.compile(r"ernie-paddle (pretrain|finetune|bench) ")
FILES = (".safetensors", ".json", ".onnx", ".pdiparams", ".py", ".yaml")


# ---- pages run ----


def is_plain(line: str) -> bool:
    """Return whether a line is a command of ours alone, in which bash has nothing to do but to split words."""
    return line.startswith("ernie-paddle ") and not set("|<>&;$*`~").intersection(line.partition(" #")[0])


class Wrong(Exception):
    """A page shows what does not work."""


class Guides:
    """Runs pages, each once: what they show as files is written, what they show as commands is run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.corpora = folder / "corpora"
        self.done: dict[str, Path | Wrong] = {}

    def run(self, page: Page) -> Path:
        """Return the folder in which a page was run, after those that it continues.

        Raises:
            Wrong: a command failed, or printed other lines than the page shows.
        """
        if page.name not in self.done:
            try:
                self.done[page.name] = self._run(page)
            except Wrong as error:
                self.done[page.name] = error
        done = self.done[page.name]
        if isinstance(done, Wrong):
            raise done
        return done

    def _run(self, page: Page) -> Path:
        folder = self.folder / page.name.replace("/", "_").removesuffix(".md")
        if page.continues:
            shutil.copytree(self.run(PAGES[page.continues]), folder, symlinks=True)
        else:
            folder.mkdir()
            (folder / "tools").symlink_to(ROOT / "tools")
        self._run_blocks(page, folder)
        return folder

    def _run_blocks(self, page: Page, folder: Path) -> None:
        output = ""
        for block in page.blocks:
            if block.mark.startswith(FILE):
                path = folder / block.mark.removeprefix(FILE)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.mark == RUN:
                output = self._run_script(self._with_corpora(block.text, folder), folder, block.place)
            elif block.mark == PRINTED:
                printed = {" ".join(line.split()) for line in output.split("\n")}
                missing = [line for line in block.text.split("\n") if line and " ".join(line.split()) not in printed]
                if missing:
                    raise Wrong(f"{block.place}: {missing} is not in what was printed:\n{output}")

    def _with_corpora(self, script: str, folder: Path) -> str:
        """Return a script without the command that writes the demo corpora, which runs once for all pages."""
        if DEMO not in script:
            return script
        if not self.corpora.exists():
            self._run_script(DEMO, self.folder, "demo corpora")
        (folder / "corpora").symlink_to(self.corpora)
        return script.replace(DEMO, "")

    def _run_script(self, script: str, folder: Path, place: str) -> str:
        """Return what a script prints. Plain commands of ours run in this process, for speed, the rest in bash."""
        output = ""
        for plain, lines in groupby(re.sub(r"\\\n\s*", "", script).splitlines(keepends=True), is_plain):
            if not plain:
                output += self._shell("".join(lines), folder, place)
                continue
            for line in lines:
                _, *arguments = shlex.split(line, comments=True)
                done = run_command(*arguments, cwd=folder, site=folder / "site")
                if done.returncode != 0:
                    raise Wrong(f"{place}: {line}\n{done.stdout}\n{done.stderr}")
                output += done.stdout
        return output

    def _shell(self, script: str, folder: Path, place: str) -> str:
        python_path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", str(ROOT))])
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": python_path,
            "COLUMNS": "160",
            # pip installs without network, and for this page alone
            **{
                "PIP_TARGET": str(folder / "site"),
                "PIP_NO_DEPS": "1",
                "PIP_NO_INDEX": "1",
                "PIP_NO_BUILD_ISOLATION": "0",
            },
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
        if done.returncode != 0:
            raise Wrong(f"{place}: {script}\n{done.stdout}\n{done.stderr}")
        return done.stdout


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ('ernie-paddle plan plan.yaml --set "plan.tasks={a: {steps: 4}}"', True),
        ("ernie-paddle tasks  # > and | in a comment", True),
        ("ernie-paddle predict run --input - < texts.txt", False),
        ("ernie-paddle encode run --input $texts", False),
        ("cd run && ernie-paddle tasks", False),
    ],
)
def test_what_needs_a_shell_runs_in_one(line: str, plain: bool) -> None:
    assert is_plain(line) == plain


@pytest.fixture(scope="module")
def guides(tmp_path_factory: pytest.TempPathFactory) -> Guides:
    return Guides(tmp_path_factory.mktemp("guides"))


def needs_long(page: Page) -> bool:
    """Return whether a page, or one that it continues, needs the demo corpora or trains a model."""
    commands = [block.text for block in page.blocks if block.mark == RUN]
    return any(DEMO in text or TRAINS.search(text) for text in commands) or (
        page.continues is not None and needs_long(PAGES[page.continues])
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * needs_long(page)) for name, page in RUNNABLE.items()]
)
def test_commands_of_pages_run_and_print_what_the_page_says(name: str, guides: Guides) -> None:
    guides.run(RUNNABLE[name])


@pytest.mark.slow
def test_the_model_of_the_examples_has_learnt_its_task(guides: Guides) -> None:
    folder = guides.run(RUNNABLE["docs/guides/use_a_model.md"])
    test = read_result(folder / "runs/reviews")["sets"]["test"]
    assert test["values"]["accuracy"] > 0.65 and not test["degenerate"]
    predicted = [line.split("\t")[1] for line in (folder / "predictions.tsv").read_text().splitlines()[1:]]
    assert 0.25 < predicted.count("positive") / len(predicted) < 0.75


def test_the_examples_of_the_readme_are_those_of_the_guides() -> None:
    """Therefore the examples of the README need not run again."""

    def shown(pages: Iterable[Page]) -> list[object]:
        blocks = [block for page in pages for block in page.blocks]
        configurations = [block for block in blocks if block.language in ("yaml", "json")]
        files = [(block.mark, yaml.safe_load(block.text)) for block in configurations if block.mark]
        return [*files, *(line for block in blocks if block.mark == RUN for line in block.text.splitlines())]

    of_guides = shown(RUNNABLE.values())
    assert [piece for piece in shown([PAGES[README]]) if piece not in of_guides] == []


def test_every_block_of_shell_says_whether_it_is_run() -> None:
    for page in SHOWN.values():
        for block in page.blocks:
            said = block.mark == RUN or block.mark.startswith(NOT_RUN)
            assert said or block.language != "bash", f"{block.place}: write <!-- run --> or <!-- not run: why --> above"


def test_tables_end_with_an_empty_line() -> None:
    """Otherwise what follows becomes a row."""
    for page in SHOWN.values():
        assert re.findall(r"^\|.*\n([^|\s].*)", page.prose, re.MULTILINE) == [], page.name


# ---- what pages name exists ----

CODE = ("ernie_paddle", "tasks", "data_builders", "configs", "tests", "tools")
SOURCES = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".yaml", ".sh")]
WORDS = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)))
PARSERS = {command.name: parser_of(command) for command in load_plugins().commands}
OPTIONS_OF_SCRIPTS = {path.name: set(re.findall(r"--[a-z-]+", script_help(path))) for path in script_paths()}
OPTIONS = {"--help", "--version", *(option for parser in PARSERS.values() for option in parser._option_string_actions)}
OPTIONS = OPTIONS.union(*OPTIONS_OF_SCRIPTS.values())


def option_problems(command: str) -> list[str]:
    """Return the options, keys and scripts of a command line that do not exist."""
    words = shlex.split(command)
    if words[:1] == ["bash"] and words[1].startswith("tools/"):
        if not (ROOT / words[1]).is_file():
            return [words[1]]
        named = OPTIONS_OF_SCRIPTS[words[1].removeprefix("tools/")]
        inner = next((i for i, word in enumerate(words) if word in PARSERS), len(words))
        wrong = [word for word in words[2:inner] if word.startswith("--") and word.partition("=")[0] not in named]
        return wrong + (option_problems(shlex.join(["ernie-paddle", *words[inner:]])) if inner < len(words) else [])
    if words[:1] != ["ernie-paddle"]:
        return []
    if words[1] not in PARSERS:
        return [words[1]]
    patterns = [pattern for some in known_keys().values() for pattern in some]
    wrong, option = [], ""
    for word in words[2:]:
        if word.startswith("--"):
            option = word
            wrong += [] if word in (*PARSERS[words[1]]._option_string_actions, "--help") else [word]
        elif option in ("--set", "--grid") and not is_known(word.partition("=")[0], patterns):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_that_a_page_names_exist(name: str) -> None:
    page = PAGES[name]
    wrong = {command: problems for command in page.commands if (problems := option_problems(command))}
    assert not wrong, f"{name}: {wrong}"
    for span in page.spans:
        if not re.match(r"(pip|mkdocs|sha256sum|ruff|pytest) ", span):
            unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", span)) - OPTIONS
            assert not unknown, f"{name}: `{span}`: no command has {unknown}"


@pytest.mark.parametrize("name", PAGES)
def test_configuration_keys_that_a_page_names_exist(name: str) -> None:
    known = known_keys()
    everything = [pattern for patterns in known.values() for pattern in patterns]
    last_parts = {pattern.split(r"\.")[-1].replace("\\", "") for pattern in everything}
    for block in PAGES[name].blocks:
        if block.language in ("yaml", "json"):
            named = list(dotted(yaml.safe_load(block.text)))
            unknown = [[key for key in named if not is_known(key, patterns)] for patterns in known.values()]
            assert not all(unknown), f"{block.place}: unknown keys {min(unknown, key=len)}"
    for span in PAGES[name].spans:
        key = re.match(r"([a-z_]+(?:\.(?:[a-z_]+|<name>))+)(?:$|[=:])", span)
        if key and key[1].split(".")[0] in SECTIONS and Path(key[1]).suffix not in FILES:
            assert is_known(key[1], everything), f"{name}: `{span}`: no configuration has the key {key[1]}"
        setting = re.match(r"([a-z_]+): \S", span)
        if setting:
            assert setting[1] in last_parts, f"{name}: `{span}`: no configuration has the key {setting[1]}"


@pytest.mark.parametrize("name", PAGES)
def test_files_that_a_page_names_exist(name: str) -> None:
    folders = "configs|tools|docs|tests|tasks|data_builders|ernie_paddle"
    for span in PAGES[name].spans:
        if re.fullmatch(rf"({folders})/[\w./{{}},*-]+", span) and "..." not in span and "my_" not in span:
            for path in expanded(span):
                assert list(ROOT.glob(path.rstrip("/"))), f"{name}: `{span}`: {path} is not there"


@pytest.mark.parametrize("name", [name for name in PAGES if name != "CHANGELOG.md"])
def test_names_of_code_that_a_page_uses_exist(name: str) -> None:
    """Names such as `read_lines` and `HeadNetwork` stand somewhere in the code, the configurations or the tests."""
    names = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)+|(?:[A-Z][a-z]+){2,}")
    unknown = [span for span in PAGES[name].spans if names.fullmatch(span) and span not in WORDS]
    assert not unknown, f"{name}: {unknown}"


def expanded(path: str) -> list[str]:
    """Return the paths that bash makes of one with braces."""
    found = re.search(r"\{([^{}]*)\}", path)
    if not found:
        return [path]
    return [
        whole for part in found[1].split(",") for whole in expanded(path[: found.start()] + part + path[found.end() :])
    ]


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("docs/")])
def test_links_of_pages_outside_the_documentation_resolve(name: str) -> None:
    """`mkdocs build --strict` checks the links inside the documentation."""
    for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", PAGES[name].prose):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            page = (ROOT / name).parent / (path or Path(name).name)
            assert page.exists(), f"{name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", Page.read(page).prose, re.MULTILINE)
                anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, f"{name}: {target}"


@pytest.mark.parametrize(
    ("name", "heading", "catalog"),
    [
        ("docs/concepts.md", "Tasks", "pretraining_tasks"),
        ("docs/guides/corpora.md", "Formats", "readers"),
        ("docs/guides/finetuning.md", "Fine-tuning tasks", "finetuning_tasks"),
    ],
)
def test_tables_of_pages_have_all_that_is_registered(name: str, heading: str, catalog: str) -> None:
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGES[name].prose, re.MULTILINE | re.DOTALL)
    assert section, heading
    assert re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE) == getattr(load_plugins(), catalog).names()


def test_the_documentation_has_every_page_in_its_menu() -> None:
    menu = set(re.findall(r": ([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert menu == {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")}


# ---- the two READMEs, the changelog ----


def test_the_readmes_are_short_and_show_the_same() -> None:
    assert len((ROOT / README).read_text(encoding="utf-8").splitlines()) <= 150
    assert PAGES[README].commands == PAGES[README_ZH].commands
    configurations = [
        [yaml.safe_load(block.text) for block in PAGES[name].blocks if block.language in ("yaml", "json")]
        for name in (README, README_ZH)
    ]
    assert configurations[0] == configurations[1]


def test_the_present_version_is_told() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
    for name in (README, README_ZH):
        assert __version__ in PAGES[name].prose, name


# ---- the generated reference ----


def test_every_configuration_key_has_a_meaning() -> None:
    for kind, classes in settings_classes().items():
        for record, prefix in classes:
            for key in keys(record, prefix):
                assert key.meaning or key.name.endswith("reading.format"), f"{kind}: {key.name} of {record.__name__}"


Positive = Annotated[float, Field(gt=0)]


class Inner(Settings):
    rate: float = Field(default=1e-5, gt=0, lt=1)
    """How fast."""


class Outer(Settings):
    path: Path
    """Where."""
    inner: Inner = Inner(rate=0.5)
    """The inside."""
    named: dict[str, Inner] = Field(default_factory=dict)
    """By name."""
    steps: int | list[int] | None = None
    """How
    many."""
    rates: Positive | list[Positive] = 0.5
    """Of one or several."""


def test_keys_are_listed_with_type_default_and_meaning() -> None:
    assert list(keys(Outer)) == [
        Key("path", "path", "required", "Where."),
        Key("inner", "section", "`{rate: 0.5}`", "The inside."),
        Key("inner.rate", "number, > 0, < 1", "`1e-05`", "How fast."),
        Key("named", "mapping to section", "`{}`", "By name."),
        Key("named.<name>.rate", "number, > 0, < 1", "`1e-05`", "How fast."),
        Key("steps", "integer or list of integer or null", "`null`", "How many."),
        Key("rates", "number > 0 or list of number > 0", "`0.5`", "Of one or several."),
    ]


def test_all_shipped_configurations_have_known_keys_only() -> None:
    """What is listed is what the code takes: a recount of the keys from the files that the package ships."""
    known = known_keys()
    kinds = {"plans": "plan", "models": "model", "corpora": "corpora", "finetune": "recipe"}
    for folder, kind in kinds.items():
        for path in [*(ROOT / "configs" / folder).rglob("*.yaml"), *(ROOT / "configs" / folder).rglob("*.json")]:
            unknown = [key for key in dotted(yaml.safe_load(path.read_text())) if not is_known(key, known[kind])]
            assert not unknown, f"{path}: {unknown}"


@pytest.mark.parametrize("command", ["ernie-paddle pretrain p.yaml --outt x", "ernie-paddle plan p --set train.sed=1"])
def test_wrong_commands_would_be_noticed(command: str) -> None:
    assert option_problems(command)
