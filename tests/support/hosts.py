"""Machines with names and addresses of their own on one computer, as network namespaces of Linux."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

NAMES, NETWORK = ("hosta", "hostb"), "10.77.0"
# Each machine resolves its own name to 127.0.1.1, as Debian sets it up, and the other's to its address.
BECOME = """
mount --bind "$1" /etc/hosts && hostname "$2" && ip link set lo up && echo up && exec sleep infinity
"""


class Host:
    """A machine. `pid` is the process that holds its namespaces; `address` is that of its network card `eth0`."""

    def __init__(self, name: str, pid: int, address: str):
        self.name, self.pid, self.address = name, pid, address

    def command(self, *command: object) -> list[str]:
        """Return a command that runs another on this machine."""
        return [
            "nsenter",
            "--target",
            str(self.pid),
            "--net",
            "--uts",
            "--mount",
            f"--wd={Path.cwd()}",
            *map(str, command),
        ]

    def run(self, *command: object) -> None:
        subprocess.run(self.command(*command), check=True, capture_output=True)


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Yield two machines with a cable between them. Skips the test where the kernel refuses namespaces."""
    with ExitStack() as stack:
        hosts = []
        for number, name in enumerate(NAMES, 1):
            names = folder / f"{name}.hosts"
            names.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in _addresses(name).items()))
            holder = ["unshare", "--net", "--uts", "--mount", "sh", "-c", BECOME, "sh", str(names), name]
            process = stack.enter_context(subprocess.Popen(holder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
            stack.callback(process.kill)
            if (said := process.stdout and process.stdout.readline()) != b"up\n":
                pytest.skip(f"no network namespaces here: {said!r}")
            hosts.append(Host(name, process.pid, f"{NETWORK}.{number}"))
        ends = [("name", "eth0", "netns", str(host.pid)) for host in hosts]
        cable = ["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]]
        done = subprocess.run(cable, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no network between namespaces here: {done.stderr}")
        for host in hosts:
            host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
        yield hosts[0], hosts[1]


def _addresses(own: str) -> dict[str, str]:
    return {name: "127.0.1.1" if name == own else f"{NETWORK}.{number}" for number, name in enumerate(NAMES, 1)}
