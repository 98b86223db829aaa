"""Files inside Debian packages, which are downloaded and unpacked but not installed."""

import subprocess
import tempfile
from pathlib import Path

from ernie_paddle.errors import UserError


def download(package: str, folder: Path) -> Path:
    """Return the file of a package in `folder`, downloaded with `apt-get` unless it is there.

    Raises:
        UserError: there is no `apt-get`, no network or no such package.
    """
    if found := sorted(folder.glob(f"{package}_*.deb")):
        return found[-1]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as partial:
        _run("apt-get", "download", "--quiet", package, about=package, folder=Path(partial))
        (downloaded,) = Path(partial).glob("*.deb")
        return downloaded.replace(folder / downloaded.name)


def newest(metapackage: str) -> str:
    """Return the package that a metapackage stands for, such as `python3.11-doc` for `python3-doc`.

    Raises:
        UserError: there is no `apt-cache` or no such package.
    """
    lines = _run("apt-cache", "depends", "--important", metapackage, about=metapackage).splitlines()
    names = [line.partition("Depends: ")[2] for line in lines if line.lstrip().startswith("Depends: ")]
    if len(names) != 1:
        raise UserError(f"package '{metapackage}' should depend on one package, found: {', '.join(names) or 'none'}")
    return names[0]


def unpack(package: Path, folder: Path) -> None:
    """Unpack the files of a package into a folder.

    Raises:
        UserError: there is no `dpkg-deb`, or the package is damaged.
    """
    _run("dpkg-deb", "--extract", str(package), str(folder), about=str(package))


def version(package: Path) -> str:
    """Return the version of a package.

    Raises:
        UserError: there is no `dpkg-deb`, or the package is damaged.
    """
    return _run("dpkg-deb", "--field", str(package), "Version", about=str(package)).strip()


def _run(*command: str, about: str, folder: Path | None = None) -> str:
    """Run a command in a folder and return its output. Errors name the package that it is about."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]}: not found; the manuals are Debian packages, make them on Debian") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", f"{command[0]}:"))]
        reason = (said or done.stderr.splitlines() or ["failed"])[0].removeprefix("E: ")
        advice = "remove the file" if command[0] == "dpkg-deb" else "check the network, and run apt-get update"
        raise UserError(f"{about}: {' '.join(command[:2])}: {reason}; {advice}")
    return done.stdout
