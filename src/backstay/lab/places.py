"""Where a lab keeps its things: one directory for its state, one cache for images.

Both follow the XDG rules; a lab leaves nothing outside its directory once it is down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APPLICATION = "backstay"
JOURNAL = "var/log/journal"


def state_directory() -> Path:
    """Directory under which each lab has its own."""
    return platformdirs.user_state_path(APPLICATION) / "labs"


def cache_directory() -> Path:
    """Directory of images and artefacts; it can be removed while no lab is up."""
    return platformdirs.user_cache_path(APPLICATION)


def image_cache() -> Path:
    """Directory of root file systems, one for each digest of a recipe."""
    return cache_directory() / "lab"


def blob_directory() -> Path:
    """Directory of artefacts by digest, shown read-only to every machine."""
    return cache_directory() / "blobs"


@dataclass(frozen=True, slots=True)
class MachinePlaces:
    """The directory of one machine; `upper` is what it wrote over the image."""

    directory: Path

    @property
    def boot_script(self) -> Path:
        """The program that runs the machine until it is powered off."""
        return self.directory / "boot"

    @property
    def console(self) -> Path:
        """What the machine printed on its console."""
        return self.directory / "console.log"

    @property
    def process(self) -> Path:
        """Process id and start time of the boot script."""
        return self.directory / "process.json"

    @property
    def mender(self) -> Path:
        """Process id and start time of who will make the machine run again."""
        return self.directory / "mender.json"

    @property
    def disk(self) -> Path:
        """An image of the file system under etcd's data; without one that is this computer's."""
        return self.directory / "etcd.img"

    @property
    def host_key(self) -> Path:
        """The machine's private SSH key, made once and kept."""
        return self.directory / "host_key"

    @property
    def upper(self) -> Path:
        """The layer over the image: everything that makes this machine differ from others."""
        return self.directory / "upper"

    @property
    def work(self) -> Path:
        """Scratch space that the overlay wants on the same file system as `upper`."""
        return self.directory / "work"

    @property
    def root(self) -> Path:
        """Where the machine's own mount namespace mounts the overlay; empty for everyone else."""
        return self.directory / "root"

    def data(self, name: str) -> Path:
        """Return a real directory, which the machine has under /var/lib, outside the overlay."""
        return self.directory / "data" / name

    @property
    def journal(self) -> Path:
        """The machine's journal, readable from here even when the machine is dead."""
        return self.upper / JOURNAL


@dataclass(frozen=True, slots=True)
class LabPlaces:
    """The directory of one lab."""

    directory: Path

    @property
    def memory(self) -> Path:
        """The lab as a value, see `model.to_json`."""
        return self.directory / "lab.json"

    @property
    def cluster(self) -> Path:
        """The specification of the cluster on these machines."""
        return self.directory / "cluster.yaml"

    @property
    def key(self) -> Path:
        """Private key that opens every machine of the lab, mode 0600."""
        return self.directory / "id_ed25519"

    @property
    def public_key(self) -> Path:
        """Public half of `key`."""
        return self.directory / "id_ed25519.pub"

    @property
    def known_hosts(self) -> Path:
        """Pinned host keys in the form of OpenSSH."""
        return self.directory / "known_hosts"

    def machine(self, name: str) -> MachinePlaces:
        """Places of one machine."""
        return MachinePlaces(self.directory / "machines" / name)

    def machines(self) -> tuple[str, ...]:
        """Names of the machines that have a directory, whatever `lab.json` says."""
        return tuple(sorted(path.name for path in children(self.directory / "machines")))


def places_of(lab: str) -> LabPlaces:
    """Places of the lab of that name, whether it exists or not."""
    return LabPlaces(state_directory() / lab)


def children(directory: Path) -> Iterable[Path]:
    """Return the directories in a directory, none if it does not exist."""
    if not directory.is_dir():
        return ()
    return tuple(path for path in directory.iterdir() if path.is_dir())
