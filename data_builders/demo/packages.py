"""Files inside installed packages."""

from importlib.util import find_spec
from pathlib import Path

from ernie_paddle.errors import UserError


def package_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it, because its models load slowly.

    Raises:
        UserError: the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"package '{package}' is not installed: pip install 'ernie-paddle[demo]'")
    return Path(spec.submodule_search_locations[0])


def package_file(package: str, pattern: str) -> Path:
    """Return the first file of a package that matches a pattern relative to its folder.

    Raises:
        UserError: the package or the file is missing.
    """
    files = sorted(package_folder(package).glob(pattern))
    if not files:
        raise UserError(f"package '{package}' has no {pattern}: pip install --force-reinstall 'ernie-paddle[demo]'")
    return files[0]
