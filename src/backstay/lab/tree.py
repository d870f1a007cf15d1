"""The files by which one machine differs from the image, written into its layer before it boots."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

from backstay.fleet.artefacts.table import catalogue
from backstay.lab.boot import DATA_DIRECTORIES
from backstay.lab.model import Lab, Machine
from backstay.lab.places import JOURNAL, MachinePlaces
from backstay.lab.rootfs import make_directories, write_file
from backstay.lab.verified import STAMPS_FILE, verified

HOST_KEY_FILE = "etc/ssh/ssh_host_ed25519_key"
MODES: Mapping[str, int] = {HOST_KEY_FILE: 0o600, "root/.ssh/authorized_keys": 0o600}
DIRECTORY_MODES: Mapping[str, int] = {"root": 0o700, "root/.ssh": 0o700}


def hosts_file(lab: Lab, machine: Machine) -> str:
    """Return /etc/hosts: the machine itself and all machines of the lab."""
    others = "".join(f"{one.address} {one.name}\n" for one in lab.machines)
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {machine.name}\n{others}"


def machine_files(lab: Lab, machine: Machine, *, host_key: str, authorized: str) -> dict[str, str]:
    """Return the machine's own files by their path in the machine.

    The machine id is a new one each time; the name server is this computer, which refuses at
    once, because a machine without any name server makes CoreDNS refuse to start.
    """
    return {
        "etc/hostname": f"{machine.name}\n",
        "etc/hosts": hosts_file(lab, machine),
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/resolv.conf": f"nameserver {lab.gateway}\n",
        HOST_KEY_FILE: host_key,
        "root/.ssh/authorized_keys": f"{authorized}\n",
        STAMPS_FILE: verified(catalogue(lab.kubernetes).values()),
    }


def ensure_tree(lab: Lab, machine: Machine, places: MachinePlaces, *, authorized: str) -> None:
    """Make the machine's directories and, if it never booted, its files."""
    make_directories(places.directory, f"upper/{JOURNAL}")
    for name in ("work", "root", *(f"data/{name}" for name in DATA_DIRECTORIES)):
        make_directories(places.directory, name)
    if not (places.upper / "etc/machine-id").exists():
        host_key = places.host_key.read_text()
        _write(places.upper, machine_files(lab, machine, host_key=host_key, authorized=authorized))


def _write(upper: Path, files: Mapping[str, str]) -> None:
    """Write the files, /etc/machine-id last: it says that all others are there."""
    for name, text in sorted(files.items(), key=lambda item: item[0] == "etc/machine-id"):
        write_file(upper, name, text, mode=MODES.get(name, 0o644))
    for name, mode in DIRECTORY_MODES.items():
        (upper / name).chmod(mode)
