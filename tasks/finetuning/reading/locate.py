"""The files of a data set: on disk, downloaded through `paddlenlp.datasets`, or an error with their origin."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import atomic_write


class PaddleNlpDataset(Settings):
    """A data set of `paddlenlp.datasets`."""

    dataset: str
    """Module of `paddlenlp.datasets`."""
    name: str | None = None
    """Name of the data set in it."""
    splits: dict[str, str]
    """Split of the data set, by file."""


class Origin(Settings):
    """The origin of a data set."""

    page: str | None = None
    """Page or archive to get the files from."""
    paddlenlp: PaddleNlpDataset | None = None
    """What `paddlenlp.datasets` fetches if a file is missing."""


def located(folder: Path, files: Sequence[Path], origin: Origin, all_files: Sequence[str]) -> list[Path]:
    """Return the paths of `files` in `folder`. Missing files are downloaded if paddlenlp has them.

    `all_files` are the files of the recipe, for the error.

    Raises:
        UserError: a file is missing and could not be downloaded. The message says where to get and put the files.
    """
    paths = [folder / file for file in files]
    for file, path in zip(files, paths, strict=True):
        if not path.exists():
            if origin == Origin():
                raise UserError(f"{path}: not found; correct its name in the recipe, or set data.folder")
            reason = _fetch(str(file), path, origin.paddlenlp)
            if reason:
                page = f" get them from {origin.page};" if origin.page else ""
                advice = f"put {', '.join(all_files)} into {folder}"
                raise UserError(f"{path}: not found;{page} {advice} ({reason}), or set data.folder")
    return paths


def _fetch(file: str, path: Path, source: PaddleNlpDataset | None) -> str | None:
    """Download a file through paddlenlp. Return the reason if that is not possible."""
    if source is None or file not in source.splits:
        return "paddlenlp.datasets does not have it"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from packages that paddlenlp imports
            downloaded = _downloaded(source, file)
    except KeyError as error:
        return f"paddlenlp.datasets.{source.dataset} has no {error}"
    except (ImportError, OSError, RuntimeError) as error:
        return f"paddlenlp.datasets could not download it: {' '.join(str(error).split())}"
    with open(downloaded, "rb") as original, atomic_write(path, "wb") as copy:
        shutil.copyfileobj(original, copy)
    return None


def _downloaded(source: PaddleNlpDataset, file: str) -> Path:
    """Return paddlenlp's copy of a file. Of a split with several files, it is the one whose name ends like `file`."""
    from paddlenlp.datasets.dataset import import_main_class

    paths = import_main_class(source.dataset)(name=source.name)._get_data(source.splits[file])
    matching = [paths] if isinstance(paths, str) else [path for path in paths if path.endswith(Path(file).name)]
    if not matching:
        raise KeyError(file)
    return Path(matching[0])
