"""Resolution of a corpus path, which is a file, a folder or a pattern, to files.

A folder means the files in it, at any depth, whose names have one of the format's suffixes. `folder/*` and `folder/**`
mean the same files. A pattern whose last part has a name (`wiki_*`) means all matching files and folders. Links are
followed; each file is read once. Names that begin with a dot (`.DS_Store`) are skipped unless the pattern has the dot.
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
OTHER_SUFFIX = "with another suffix (not read)"
BROKEN = "broken links"
SEEN = "already read (links)"
NO_FILE = "neither file nor folder"


@dataclass
class CorpusFiles:
    """The files of a corpus in the order of their names, and the number of skipped names, by reason."""

    files: list[Path]
    skipped: Counter[str] = field(default_factory=Counter)


def corpus_files(path: Path, suffixes: tuple[str, ...]) -> CorpusFiles:
    """Return the files that `path` means (see the module). Suffixes of compressed files may follow `suffixes`.

    Raises:
        UserError: there are no files, or a folder cannot be read.
    """
    walk = _Walk(tuple(suffix + packed for suffix in suffixes for packed in PACKED_SUFFIXES))
    if path.is_dir():
        walk.add_folder(path)
        problem = f"no file in this folder ends in {', '.join(suffixes)}"
    elif path.exists():
        return CorpusFiles([path])
    elif WILD & set(str(path)):
        named = path.name.strip("*") != ""
        parts = path.parts[1:] if path.anchor else path.parts
        for match in sorted(set(walk.matches(Path(path.anchor or "."), parts))):
            walk.add_folder(match) if match.is_dir() else walk.add_file(match, any_suffix=named)
        problem = "no file matches this pattern" + ("" if named else f" and ends in {', '.join(suffixes)}")
    else:
        raise UserError(f"{path}: corpus not found; check the path, it is relative to the current folder")
    skipped = Counter({reason: len(names) for reason, names in walk.skipped.items()})
    if not walk.files:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
        raise UserError(f"{path}: {problem}" + (f" ({listed})" if listed else ""))
    return CorpusFiles(sorted(walk.files), skipped)


@dataclass
class _Walk:
    """A walk over folders; `seen` has the first path to each file and folder."""

    suffixes: tuple[str, ...]
    files: list[Path] = field(default_factory=list)
    skipped: dict[str, set[tuple[tuple[int, int], str]]] = field(default_factory=dict)
    seen: dict[tuple[int, int], Path] = field(default_factory=dict)

    def add_folder(self, folder: Path) -> None:
        """Add the files of a folder and of its subfolders."""
        if self._is_new(folder):
            for path in self._listed(folder, "*"):
                self.add_folder(path) if path.is_dir() else self.add_file(path)

    def add_file(self, path: Path, any_suffix: bool = False) -> None:
        """Add a file if its name has one of the suffixes."""
        if not path.is_file():
            self._skip(NO_FILE if path.exists() else BROKEN, path)
        elif not (any_suffix or path.name.endswith(self.suffixes)):
            self._skip(OTHER_SUFFIX, path)
        elif self._is_new(path):
            self.files.append(path)

    def matches(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """Yield the paths below a folder that match the parts of a pattern."""
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
        """Yield a folder and all its subfolders, without following links to a folder that contains them."""
        key = _identity(folder)
        if key in above:
            return
        yield folder
        for path in self._listed(folder, "*"):
            if path.is_dir():
                yield from self._folders(path, (*above, key))

    def _listed(self, folder: Path, pattern: str) -> list[Path]:
        """Return the paths in a folder whose names match a pattern, in the order of their names."""
        try:
            names = sorted(name for name in os.listdir(folder) if fnmatchcase(name, pattern))
        except OSError as error:
            raise UserError(f"{folder}: folder of a corpus cannot be read: {error.strerror}") from None
        hidden = {name for name in names if name.startswith(".") and not pattern.startswith(".")}
        for name in hidden:
            self._skip(HIDDEN, folder / name)
        return [folder / name for name in names if name not in hidden]

    def _is_new(self, path: Path) -> bool:
        first = self.seen.setdefault(_identity(path), path)
        if first != path:
            self._skip(SEEN, path)
        return first is path

    def _skip(self, reason: str, path: Path) -> None:
        self.skipped.setdefault(reason, set()).add((_identity(path.parent), path.name))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
