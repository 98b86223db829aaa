"""Chinese and English manuals in Debian packages, as titled text, and labelled tasks from other pages.

Pages with one title are together: either their text is in the corpora for pre-training, or it is in one split of the
labelled tasks. Paragraphs that are repeated are kept once; those on many pages, such as licences, are left out.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data_builders.demo import debian
from data_builders.demo.labelled_tasks import MIN_TEXT_LENGTH, PAIRS, SPLITS, title_rows, write_rows
from data_builders.demo.manual_pages import ManualPage, read_page
from data_builders.demo.packages import package_folder
from data_builders.demo.reviews import split_of
from data_builders.documents import Language
from data_builders.readers.text import as_text
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write, write_json
from ernie_paddle.keyed_random import keyed_hash

PRETRAINING_TENTHS = 7  # of the titles; the others are for the labelled tasks
TASK_SHARES = {"dev": 1, "test": 2, "train": 3}
MOST_PAGES = 3  # on which a paragraph may be; one on more is boilerplate
PAIRS_PER_PAGE = 3
SOURCES = "text_a\tlabel"
SOURCE_LENGTHS: dict[Language, range] = {"zh": range(40, 301), "en": range(100, 601)}  # characters of a paragraph
SOURCES_PER_PAGE = 5
SOURCES_PER_MANUAL = 80  # in a split, so that large manuals do not outnumber the others
MIN_SOURCE_PAGES = 3  # of a manual in each split; one with fewer would be told by the subject of its page

PagesBySplit = dict[str, list[ManualPage]]


@dataclass(frozen=True)
class Manual:
    """Pages in one language in a Debian package.

    `files` is the pattern of the pages in the package; pages in a folder `without` are left out. A metapackage stands
    for the package of the newest version.
    """

    name: str
    package: str
    language: Language
    files: str
    is_metapackage: bool = False
    without: str = ""


MANUALS = (
    Manual("libreoffice", "libreoffice-help-zh-cn", "zh", "usr/share/libreoffice/help/zh-CN/text/**/*.html"),
    Manual("man_pages", "manpages-zh", "zh", "usr/share/man/zh_CN/man*/*.gz"),
    Manual("linux", "linux-doc", "zh", "usr/share/doc/linux-doc-*/html/translations/zh_CN/**/*.html", True),
    Manual("handbook", "debian-handbook", "zh", "usr/share/doc/debian-handbook/html/zh-CN/*.html"),
    Manual("reference", "debian-reference-zh-cn", "zh", "usr/share/debian-reference/*.html"),
    Manual("installation", "installation-guide-amd64", "zh", "usr/share/doc/installation-guide-amd64/zh_CN/*.html"),
    Manual("faq", "debian-faq-zh-cn", "zh", "usr/share/doc/debian/FAQ/zh-cn/*.html"),
    Manual("maintainers", "maint-guide-zh-cn", "zh", "usr/share/doc/maint-guide-zh-cn/html/*.html"),
    Manual("libreoffice", "libreoffice-help-en-us", "en", "usr/share/libreoffice/help/en-US/text/**/*.html"),
    Manual("man_pages", "manpages", "en", "usr/share/man/man*/*.gz"),
    Manual("linux", "linux-doc", "en", "usr/share/doc/linux-doc-*/html/*/**/*.html", True, "translations"),
    Manual("handbook", "debian-handbook", "en", "usr/share/doc/debian-handbook/html/en-US/*.html"),
    Manual("python", "python3-doc", "en", "usr/share/doc/python3*/html/[!_]*/*.html", True),
    Manual("postgresql", "postgresql-doc", "en", "usr/share/doc/postgresql-doc-*/html/*.html", True),
    Manual("git", "git-doc", "en", "usr/share/doc/git-doc/*.html"),
    Manual("apache", "apache2-doc", "en", "usr/share/doc/apache2-doc/manual/en/**/*.html"),
)


@dataclass(frozen=True)
class WrittenManual:
    """What was written of a manual: the pages and characters for pre-training, and the pages for labelled tasks."""

    manual: str
    language: Language
    package: str
    version: str
    pages: int
    characters: int
    task_pages: int


def write(out: Path, manuals: Sequence[Manual] = MANUALS) -> tuple[list[WrittenManual], dict[str, int]]:
    """Write `<language>/<manual>.txt`, and the labelled tasks `titles_<language>` and `sources_<language>` in `tasks/`.

    The packages stay in `packages/`, and are not downloaded again. Their licences are in `licences/`, their versions in
    `sources.json`.

    Returns:
        what was written of each manual, and the number of rows of the labelled tasks by name.

    Raises:
        UserError: a package cannot be had, or has none of the pages.
    """
    package_folder("lxml")  # before the downloads
    written, rows = list[WrittenManual](), dict[str, int]()
    for language in dict.fromkeys(manual.language for manual in manuals):
        own = [manual for manual in manuals if manual.language == language]
        packages = [_package(manual, out / "packages") for manual in own]
        pages = [list(pages_of(manual, package, out)) for manual, package in zip(own, packages, strict=True)]
        kept = without_repeats(pages)
        for manual, package, own_pages in zip(own, packages, kept, strict=True):
            written.append(_write_manual(manual, package, own_pages, out / language))
        splits = {manual.name: pages_by_split(own_pages) for manual, own_pages in zip(own, kept, strict=True)}
        titles, sources = f"titles_{language}", f"sources_{language}"
        rows[titles] = write_rows(out / "tasks", titles, PAIRS, _title_rows(splits.values()))
        rows[sources] = write_rows(out / "tasks", sources, SOURCES, source_rows(splits, language))
    write_json(out / "sources.json", {"manuals": [asdict(manual) for manual in written]})
    return written, rows


def _package(manual: Manual, folder: Path) -> Path:
    name = debian.newest(manual.package) if manual.is_metapackage else manual.package
    return debian.download(name, folder)


def pages_of(manual: Manual, package: Path, out: Path) -> Iterator[ManualPage]:
    """Yield the pages of a manual in a package, and write the package's licence to `out/licences`.

    Raises:
        UserError: the package is damaged, or has none of the pages.
    """
    with tempfile.TemporaryDirectory(dir=package.parent, prefix=".") as name:
        folder = Path(name)
        debian.unpack(package, folder)
        for licence in folder.glob("usr/share/doc/*/copyright"):
            with atomic_write(out / "licences" / f"{licence.parent.name}.txt") as file:
                file.write(licence.read_text(encoding="utf-8", errors="replace"))
        paths = [path for path in sorted(folder.glob(manual.files)) if manual.without not in path.parts]
        if not paths:
            raise UserError(
                f"{package}: has no {manual.files}; the manual '{manual.name}' is elsewhere in this version"
            )
        for path in paths:
            page = read_page(path, manual.language) if path.is_file() else None
            if page:
                yield page


def without_repeats(manuals: Sequence[Sequence[ManualPage]]) -> list[list[ManualPage]]:
    """Return the pages of each manual without boilerplate, and without paragraphs of earlier pages.

    Pages of fewer than two paragraphs are left out.
    """
    places = Counter(text for pages in manuals for page in pages for text in set(page.paragraphs))
    seen = {text for text, count in places.items() if count > MOST_PAGES}
    kept: list[list[ManualPage]] = []
    for pages in manuals:
        kept.append([])
        for page in pages:
            new = tuple(dict.fromkeys(text for text in page.paragraphs if text not in seen))
            if len(new) > 1:
                seen.update(new)
                kept[-1].append(ManualPage(page.title, new))
    return kept


def is_for_pretraining(page: ManualPage) -> bool:
    """Return whether a page is for pre-training, by the hash of its title; others are for the labelled task."""
    return keyed_hash("manual", page.title) % 10 < PRETRAINING_TENTHS


def _write_manual(manual: Manual, package: Path, pages: Sequence[ManualPage], folder: Path) -> WrittenManual:
    training = [page for page in pages if is_for_pretraining(page)]
    with atomic_write(folder / f"{manual.name}.txt") as file:
        file.write(as_text((page.title, *page.paragraphs) for page in training))
    return WrittenManual(
        manual.name,
        manual.language,
        package.name.partition("_")[0],
        debian.version(package),
        len(training),
        sum(len(text) for page in training for text in page.paragraphs),
        len(pages) - len(training),
    )


def pages_by_split(pages: Iterable[ManualPage]) -> PagesBySplit:
    """Return the pages for labelled tasks by split. All pages with one title are in one split."""
    splits: PagesBySplit = {split: [] for split in SPLITS}
    for page in pages:
        if not is_for_pretraining(page):
            splits[split_of(page.title, TASK_SHARES)].append(page)
    return splits


def _title_rows(manuals: Iterable[PagesBySplit]) -> dict[str, list[str]]:
    """Return rows of titles beside a paragraph of their page or of another page of the same manual, by split."""
    rows: dict[str, list[str]] = {split: [] for split in SPLITS}
    for splits in manuals:
        for split, pages in splits.items():
            pairs = list[tuple[str, str]]()
            for page in pages:
                long = [text for text in page.paragraphs if len(text) >= MIN_TEXT_LENGTH]
                pairs += [(page.title, text) for text in long[:PAIRS_PER_PAGE]]
            rows[split] += title_rows(pairs)
    return {split: sorted(own, key=lambda row: keyed_hash("titles", row)) for split, own in rows.items()}


def source_rows(manuals: Mapping[str, PagesBySplit], language: Language) -> dict[str, list[str]]:
    """Return rows of a paragraph and the name of the manual that it is from, by split.

    Paragraphs that mention a manual by name are left out, and so are manuals with too few pages in one of the splits.
    """
    names = [manual.replace("_", " ") for manual in manuals]
    rows: dict[str, list[str]] = {split: [] for split in SPLITS}
    for manual, splits in manuals.items():
        texts = {split: [_sources(page, names, language) for page in pages] for split, pages in splits.items()}
        if all(sum(map(bool, by_page)) >= MIN_SOURCE_PAGES for by_page in texts.values()):
            for split, by_page in texts.items():
                own = sorted((text for page in by_page for text in page), key=lambda text: keyed_hash("sources", text))
                rows[split] += [f"{text}\t{manual}" for text in own[:SOURCES_PER_MANUAL]]
    return {split: sorted(own, key=lambda row: keyed_hash("sources", row)) for split, own in rows.items()}


def _sources(page: ManualPage, names: Sequence[str], language: Language) -> list[str]:
    lengths = SOURCE_LENGTHS[language]
    found = [
        text for text in page.paragraphs if len(text) in lengths and not any(name in text.casefold() for name in names)
    ]
    return found[:SOURCES_PER_PAGE]
