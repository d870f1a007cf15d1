"""A lab as a value: its machines, their addresses, and how it is written to `lab.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from backstay.errors import ConfigError, UsageError
from backstay.spec.model import ClusterSpec, IPAddress, Role

DEFAULT_NAME = "lab"
DEFAULT_KUBERNETES: str = ClusterSpec.model_fields["kubernetes"].default
API_PORT = 8443
"""6443 is taken by the apiserver of a machine that is also a balancer."""

GATEWAY_OFFSET = 1
VIP_OFFSET = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of machine: its name's beginning, its role, and where its addresses start."""

    prefix: str
    role: Role
    offset: int
    limit: int


CONTROL_PLANE = Kind("cp", Role.CONTROL_PLANE, 10, 40)
BALANCER = Kind("lb", Role.LOAD_BALANCER, 60, 30)
WORKER = Kind("w", Role.WORKER, 100, 140)


@dataclass(frozen=True, slots=True)
class LabWish:
    """What is asked for: numbers of machines of each kind, and a Kubernetes version."""

    name: str = DEFAULT_NAME
    control_planes: int = 3
    workers: int = 1
    load_balancers: int = 0
    kubernetes: str = DEFAULT_KUBERNETES


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine; `host_key` is its public SSH key as it stands in `cluster.yaml`."""

    name: str
    address: IPAddress
    role: Role
    host_key: str


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that was made: `index` numbers its range among the labs of this computer.

    `image` is the digest of the recipe: machines keep the image they were made from.
    """

    name: str
    image: str
    index: int
    network: IPv4Network | IPv6Network
    kubernetes: str
    machines: tuple[Machine, ...]

    @property
    def gateway(self) -> IPAddress:
        """Address of this computer in the lab."""
        return self.network[GATEWAY_OFFSET]

    @property
    def vip(self) -> IPAddress:
        """Virtual address of the API."""
        return self.network[VIP_OFFSET]

    def machine(self, name: str) -> Machine:
        """Return the machine of that name; UsageError, with those there are, if there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise UsageError(
            f"lab {self.name} has no machine {name!r}",
            next_move="choose one of " + ", ".join(machine.name for machine in self.machines),
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """A machine to be: everything but its keys."""

    name: str
    address: IPAddress
    role: Role


def slots_of(wish: LabWish, network: IPv4Network | IPv6Network) -> tuple[Slot, ...]:
    """Return the machines that are asked for; UsageError if the numbers make no cluster."""
    if wish.control_planes < 1:
        raise UsageError("a lab needs a control plane", next_move="use --control-plane 1 or more")
    return (
        *_slots(CONTROL_PLANE, wish.control_planes, network),
        *_slots(WORKER, wish.workers, network),
        *_slots(BALANCER, wish.load_balancers, network),
    )


def _slots(kind: Kind, count: int, network: IPv4Network | IPv6Network) -> Iterable[Slot]:
    if not 0 <= count <= kind.limit:
        raise UsageError(
            f"a lab cannot have {count} machines of role {kind.role}",
            why=f"its range holds 0 to {kind.limit} of them",
        )
    for number in range(1, count + 1):
        yield Slot(f"{kind.prefix}-{number}", network[kind.offset + number], kind.role)


def to_json(lab: Lab) -> str:
    """Return the text of `lab.json`."""
    machines = [
        {
            "name": machine.name,
            "address": str(machine.address),
            "role": machine.role.value,
            "hostKey": machine.host_key,
        }
        for machine in lab.machines
    ]
    value = {
        "name": lab.name,
        "image": lab.image,
        "index": lab.index,
        "network": str(lab.network),
        "kubernetes": lab.kubernetes,
        "machines": machines,
    }
    return json.dumps(value, indent=2) + "\n"


def from_json(text: str, *, where: str) -> Lab:
    """Read `lab.json`; ConfigError if it is not what `to_json` writes."""
    try:
        value = json.loads(text)
        return Lab(
            name=value["name"],
            image=value["image"],
            index=int(value["index"]),
            network=ip_network(value["network"]),
            kubernetes=value["kubernetes"],
            machines=tuple(_machine(entry) for entry in value["machines"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the memory of a lab cannot be read",
            where=where,
            why=f"{type(error).__name__}: {error}",
            next_move="remove the lab (backstay lab down) and make it anew",
        ) from error


def _machine(entry: dict[str, str]) -> Machine:
    return Machine(
        name=entry["name"],
        address=ip_address(entry["address"]),
        role=Role(entry["role"]),
        host_key=entry["hostKey"],
    )
