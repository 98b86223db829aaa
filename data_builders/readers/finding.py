"""The files that the path of a corpus stands for: a file, a folder or a pattern.

A folder stands for the files in it, at any depth, whose names end as the format's do. The same files are meant by
`folder/*` and `folder/**`; a pattern whose last part names something (`wiki_*`) stands for all files that match, and
for the folders that do. Linked folders and files are read, each once, whatever leads to it. Names that begin with a
point (`.DS_Store`, `.ipynb_checkpoints`) are passed over unless the pattern writes the point.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from data_builders.readers.files import PACKED_SUFFIXES
from ernie_paddle.errors import UserError

WILD = frozenset("*?[")
HIDDEN = "hidden (not read)"
OTHER_ENDING = "with another ending (not read)"
BROKEN = "broken links"
AGAIN = "met again through links"
NO_FILE = "neither file nor folder"


@dataclass
class Found:
    """The files of a corpus in the order of their names, and how many names were passed over, by reason."""

    files: list[Path]
    skipped: Counter[str] = field(default_factory=Counter)


def corpus_files(path: Path, suffixes: tuple[str, ...]) -> Found:
    """The files that `path` stands for, see above; names may be followed by the endings of packed files.

    Raises:
        UserError: there is none, or a folder cannot be read.
    """
    walk = _Walk(tuple(suffix + packed for suffix in suffixes for packed in PACKED_SUFFIXES))
    if path.is_dir():
        walk.folder(path)
        reason = f"no file in this folder ends in {', '.join(suffixes)}"
    elif path.exists():
        return Found([path])
    elif WILD & set(str(path)):
        named = path.name.strip("*") != ""
        parts = path.parts[1:] if path.anchor else path.parts
        for match in sorted(set(walk.matches(Path(path.anchor or "."), parts))):
            walk.folder(match) if match.is_dir() else walk.file(match, any_ending=named)
        reason = "no file matches this pattern" + ("" if named else f" and ends in {', '.join(suffixes)}")
    else:
        raise UserError(f"{path}: corpus not found; check the path, it is relative to the current folder")
    skipped = Counter({why: len(names) for why, names in walk.skipped.items()})
    if not walk.files:
        passed = ", ".join(f"{count:,} {why}" for why, count in skipped.items())
        raise UserError(f"{path}: {reason}" + (f" ({passed})" if passed else ""))
    return Found(sorted(walk.files), skipped)


@dataclass
class _Walk:
    """What has been met so far: `met` has the first path to each file and folder."""

    endings: tuple[str, ...]
    files: list[Path] = field(default_factory=list)
    skipped: dict[str, set[tuple[tuple[int, int], str]]] = field(default_factory=dict)
    met: dict[tuple[int, int], Path] = field(default_factory=dict)

    def folder(self, folder: Path) -> None:
        """Take the files of a folder and of those in it."""
        if self._is_new(folder):
            for path in self._listed(folder, "*"):
                self.folder(path) if path.is_dir() else self.file(path)

    def file(self, path: Path, any_ending: bool = False) -> None:
        """Take a file if its name ends as it should."""
        if not path.is_file():
            self._skip(NO_FILE if path.exists() else BROKEN, path)
        elif not (any_ending or path.name.endswith(self.endings)):
            self._skip(OTHER_ENDING, path)
        elif self._is_new(path):
            self.files.append(path)

    def matches(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """The paths below a folder that match the parts of a pattern."""
        if not parts:
            yield folder
        elif parts[0] == "**":
            for below in self._folders(folder, ()):
                yield from self.matches(below, parts[1:])
        elif WILD & set(parts[0]):
            for path in self._listed(folder, parts[0]):
                if len(parts) == 1 or path.is_dir():
                    yield from self.matches(path, parts[1:])
        elif (folder / parts[0]).exists():
            yield from self.matches(folder / parts[0], parts[1:])

    def _folders(self, folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
        """A folder and all folders in it; one that is linked from within itself is not entered again."""
        key = _identity(folder)
        if key in above:
            return
        yield folder
        for path in self._listed(folder, "*"):
            if path.is_dir():
                yield from self._folders(path, (*above, key))

    def _listed(self, folder: Path, pattern: str) -> list[Path]:
        """The paths in a folder whose names match, in the order of their names."""
        try:
            names = sorted(name for name in os.listdir(folder) if fnmatchcase(name, pattern))
        except OSError as error:
            raise UserError(f"{folder}: folder of a corpus cannot be read: {error.strerror}") from None
        hidden = {name for name in names if name.startswith(".") and not pattern.startswith(".")}
        for name in hidden:
            self._skip(HIDDEN, folder / name)
        return [folder / name for name in names if name not in hidden]

    def _is_new(self, path: Path) -> bool:
        first = self.met.setdefault(_identity(path), path)
        if first != path:
            self._skip(AGAIN, path)
        return first is path

    def _skip(self, reason: str, path: Path) -> None:
        self.skipped.setdefault(reason, set()).add((_identity(path.parent), path.name))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
