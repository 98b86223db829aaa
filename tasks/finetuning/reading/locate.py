"""The files of a data set: on disk, or fetched through `paddlenlp.datasets`, or an error that says where they are."""

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

from ernie_paddle.config import Settings
from ernie_paddle.errors import UserError
from ernie_paddle.files import written_whole


class PaddleNlpDataset(Settings):
    """What `paddlenlp.datasets` knows of a data set: its module, the name in it, and the split that each file is."""

    dataset: str
    name: str | None = None
    splits: dict[str, str]


class Origin(Settings):
    """Where a data set comes from: a page or an archive for people, and what paddlenlp fetches of it."""

    page: str | None = None
    paddlenlp: PaddleNlpDataset | None = None


def located(folder: Path, files: Sequence[Path], origin: Origin, all_files: Sequence[str]) -> list[Path]:
    """The paths of `files` in `folder`; those that are missing are fetched if that can be.

    `all_files` are the files of the recipe, for the error.

    Raises:
        UserError: a file is missing and was not fetched; it says where the files are and where to put them.
    """
    paths = [folder / file for file in files]
    for file, path in zip(files, paths, strict=True):
        if not path.exists():
            reason = _fetch(str(file), path, origin.paddlenlp)
            if reason:
                page = f" get them from {origin.page};" if origin.page else ""
                wanted = f"put {', '.join(all_files)} into {folder}"
                raise UserError(f"{path}: not found;{page} {wanted} ({reason}), or set data.folder")
    return paths


def _fetch(file: str, path: Path, source: PaddleNlpDataset | None) -> str | None:
    """Download a file through paddlenlp; the reason if it cannot be had."""
    if source is None or file not in source.splits:
        return "paddlenlp.datasets does not have it"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages that paddlenlp loads
            fetched = _downloaded(source, file)
    except KeyError as error:
        return f"paddlenlp.datasets.{source.dataset} has no {error}"
    except (ImportError, OSError, RuntimeError) as error:
        return f"paddlenlp.datasets could not fetch it: {' '.join(str(error).split())}"
    with open(fetched, "rb") as original, written_whole(path, "wb") as copy:
        shutil.copyfileobj(original, copy)
    return None


def _downloaded(source: PaddleNlpDataset, file: str) -> Path:
    """paddlenlp's copy of a file, in its own folder; of a split in several files the one whose name ends alike."""
    from paddlenlp.datasets.dataset import import_main_class

    paths = import_main_class(source.dataset)(name=source.name)._get_data(source.splits[file])
    alike = [paths] if isinstance(paths, str) else [path for path in paths if path.endswith(Path(file).name)]
    if not alike:
        raise KeyError(file)
    return Path(alike[0])
