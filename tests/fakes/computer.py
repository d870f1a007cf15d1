"""One machine in memory: a tree of files, a kernel, and units as systemd keeps them.

A unit that was written is not the one that is loaded, the one that is loaded is not the one that
runs, and a process has read what stood on the disk when it started.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from backstay.errors import StepFailedError
from backstay.resources.resource import Facts, Key
from backstay.resources.service import Service

UNITS = "/etc/systemd/system/"
UP = frozenset({"active", "activating"})
ETCD, APISERVER = "etcd.service", "kube-apiserver.service"
# What a program reads again by itself, or never: a change of it leaves no process behind.
REREAD = re.compile(r"/(bootstrap\.env|runc|containerd-shim-runc-v2|check-endpoint)$")


@dataclass(frozen=True, slots=True)
class Node:
    """What is at a path: its bytes, or for a program only their digest."""

    content: bytes = b""
    mode: str = "644"
    owner: str = "root:root"
    type: str = "file"
    digest: str = ""

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return self.digest or sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: as systemd has loaded it, and its process with what that has read.

    `stuck` is a start that neither succeeds nor fails, as of a member that finds no others.
    """

    enabled: bool = False
    active: str = "inactive"
    loaded: str = ""
    digest: str | None = None
    recorded: str | None = None
    read: Mapping[str, str] = field(default_factory=dict)
    stuck: bool = False

    @property
    def is_coming(self) -> bool:
        """Whether its process is up with all that it reads, even if it is not ready."""
        return self.active in UP and not self.stuck and "" not in self.read.values()


@dataclass(slots=True)
class Computer:
    """One machine; `silent` says why it cannot be reached, and it may well go on working."""

    survey: dict[str, str]
    services: Mapping[str, Service]
    tree: dict[str, Node] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    sysctls: dict[str, str] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    unreadable: set[Key] = field(default_factory=set)
    silent: str = ""
    etcd_data: bool = False
    etcd_served: bool = False

    def __copy__(self) -> Computer:
        fresh = replace(self)
        for name in ("survey", "tree", "modules", "accounts", "sysctls", "units", "unreadable"):
            setattr(fresh, name, getattr(self, name).copy())
        return fresh

    def text(self, path: str) -> str:
        """Return a file's text; empty when it is not there."""
        node = self.tree.get(path)
        return "" if node is None else node.content.decode()

    # ------------------------------------------------------------------ commands of perform.sh

    def run(self, argv: tuple[str, ...]) -> None:
        """Do at once what a command does that neither stages nor commits."""
        match argv:
            case ("adjust", path, mode, owner):
                self.tree[path] = replace(self.tree[path], mode=mode, owner=owner)
            case ("make_directory", path, mode, owner):
                self.tree[path] = Node(b"", mode, owner, "directory")
            case ("place_artefact", path, digest, _):
                self.tree[path] = Node(digest=digest)
            case ("modprobe", name):
                self.modules.add(name)
            case ("make_account", name):
                self.accounts.add(name)
            case ("set_sysctl", name, value):
                self.sysctls[name] = value
            case ("systemctl", verb, *words):
                units = [word for word in words if not word.startswith("--")]
                self.systemctl(verb, units or list(self.units))
            case _:
                raise AssertionError(argv)

    # ------------------------------------------------------------------ systemd

    def systemctl(self, verb: str, names: Iterable[str]) -> None:
        """Do what systemd does, without waiting for the outcome."""
        for name in names:
            unit = self.units.get(name, Unit())
            if not (unit.loaded or f"{UNITS}{name}" in self.tree):
                raise StepFailedError(f"Unit {name} not found")
            match verb:
                case "enable":
                    self.units[name] = replace(unit, enabled=True)
                case "daemon-reload":
                    text = self.text(f"{UNITS}{name}")
                    self.units[name] = replace(unit, loaded=text or unit.loaded)
                case "restart":
                    self._spawn(name)
                    self._take_along(name)
                case "start" if unit.active not in UP:
                    self._spawn(name)
                case "reload" if unit.active == "active":
                    told = environment(unit.loaded, "BACKSTAY_RELOAD_DIGEST")
                    self.units[name] = replace(unit, recorded=told, read=self.read_by(name))

    def _take_along(self, name: str) -> None:
        """An apiserver that is bound to its member is stopped before it and started after it."""
        bound = name == ETCD and "/usr/local/lib/backstay/before-etcd" in self.tree
        if bound and self.units.get(APISERVER, Unit()).active == "active":
            self._spawn(APISERVER)

    def _spawn(self, name: str) -> None:
        unit = self.units.get(name, Unit())
        loaded = unit.loaded or self.text(f"{UNITS}{name}")
        self.units[name] = replace(
            unit,
            active="activating",
            loaded=loaded,
            digest=environment(loaded, "BACKSTAY_DIGEST"),
            read=self.read_by(name),
            stuck=False,
        )
        self.etcd_data |= name == ETCD

    def read_by(self, name: str) -> dict[str, str]:
        """Return what a process would read now, by path; what is not there is empty."""
        keys = self.services[name].reads if name in self.services else ()
        paths = [key.name for key in keys if key.kind in {"file", "binary"}]
        found = {path: self.tree.get(path) for path in paths if not REREAD.search(path)}
        return {path: "" if node is None else node.sha256 for path, node in found.items()}

    def settle(self, name: str, *, needs: bool) -> None:
        """Let a unit that is starting come up if what it `needs` elsewhere is there."""
        if self.units.get(name, Unit()).active != "activating" or self.units[name].stuck:
            return
        if not self.units[name].is_coming:
            self._spawn(name)  # Restart=always
        unit = self.units[name]
        if unit.is_coming and needs:
            which, digest = "BACKSTAY_RELOAD_DIGEST", unit.digest
            if "Type=oneshot" in unit.loaded:  # It has no process once it is done.
                which, digest = "BACKSTAY_DIGEST", None
            told = environment(unit.loaded, which)
            self.units[name] = replace(unit, active="active", recorded=told, digest=digest)
            self.etcd_served |= name == ETCD

    def stale(self) -> Iterable[str]:
        """Yield what processes have read that is not what stands on the disk."""
        for name, unit in self.units.items():
            if unit.active in UP:
                now = self.read_by(name)
                yield from (f"{name} {path}" for path in now if now[path] != unit.read.get(path))


def environment(text: str, name: str) -> str | None:
    """Return a variable that a unit's text sets."""
    found = re.search(rf"^Environment={name}=(.*)$", text, re.MULTILINE)
    return None if found is None else found.group(1)


def facts(computer: Computer, verb: str, name: str) -> Facts | None:
    """Return what a probe of fleet/scripts/observe.sh tells, as fleet/observe.py reads it."""
    match verb:
        case "module":
            return {"state": "present"} if name in computer.modules else None
        case "account":
            return {"state": "present"} if name in computer.accounts else None
        case "sysctl":
            return {"value": computer.sysctls.get(name, "0")}
        case "service":
            return _unit_facts(computer, name)
        case "certificate":
            return _certificate_facts(computer, name)
    node = computer.tree.get(name)
    if node is None:
        return None
    if verb == "binary":
        return {"sha256": node.sha256}
    told = {"type": node.type, "mode": node.mode, "owner": node.owner}
    if verb != "directory" and node.type == "file":
        told["sha256"] = node.sha256
    if verb == "text" and node.type == "file":
        told["content"] = node.content.decode()
    return told


def _unit_facts(computer: Computer, name: str) -> Facts | None:
    written = f"{UNITS}{name}" in computer.tree
    unit = computer.units.get(name, Unit())
    if not (written or unit.loaded):
        return None
    enabled = "enabled" if unit.enabled else "disabled"
    told = {"enabled": enabled if written else "", "active": unit.active}
    running = {"digest": unit.digest} if unit.active in UP and unit.digest else {}
    return told | running | ({"recorded": unit.recorded} if unit.recorded else {})


def _certificate_facts(computer: Computer, stem: str) -> Facts | None:
    told: dict[str, str] = {}
    for suffix, half in (("crt", "certificate"), ("key", "key")):
        if node := computer.tree.get(f"{stem}.{suffix}"):
            told |= {f"{half}_mode": node.mode, f"{half}_owner": node.owner}
            if half == "key":
                told["key_digest"] = node.sha256
            else:
                told[half] = base64.b64encode(node.content).decode()
    return told or None
