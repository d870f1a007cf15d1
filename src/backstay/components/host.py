"""What is the kernel's and the system's: modules, parameters, directories, and the marker."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.components.addresses import V6
from backstay.components.place import LIBRARY, SETTINGS, Place
from backstay.resources.account import Account
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.kernel import Module, Sysctl
from backstay.resources.resource import Resource
from backstay.spec.model import Cni

MARKER = f"{SETTINGS}/cluster"
MODULES = ("overlay", "br_netfilter")
"""Containers' file systems; and Services between pods on one bridge, which only it lets
netfilter see."""


def host(place: Place) -> tuple[Resource, ...]:
    """Return what every part on the host stands on."""
    return tuple(_resources(place))


def _resources(place: Place) -> Iterator[Resource]:
    yield Directory(SETTINGS)
    yield Directory(LIBRARY)
    yield File(MARKER, Text(f"{place.spec.name} {place.ground.incarnation}\n"))
    if place.is_member:
        yield Account("etcd")
    if place.is_node:
        yield from _node(place)


def _node(place: Place) -> Iterator[Resource]:
    yield File("/etc/modules-load.d/backstay.conf", Text("".join(f"{m}\n" for m in MODULES)))
    yield from (Module(name) for name in MODULES)
    values = parameters(place)
    lines = (f"{name} = {value}\n" for name, value in values.items())
    yield File("/etc/sysctl.d/90-backstay.conf", Text("".join(lines)))
    yield from (Sysctl(name, value) for name, value in values.items())


def parameters(place: Place) -> dict[str, str]:
    """Return the kernel parameters of a node by name.

    The first six are what a kubelet with protectKernelDefaults refuses to run without: it would
    set them by itself, unseen, and the plan shows them. Inotify instances are counted per user
    for a whole kernel, and its default of 128 is used up by a few dozen pods.
    """
    families = {place.spec.network.pods.version, place.host.internal.version}
    values = {
        "vm.overcommit_memory": "1",
        "vm.panic_on_oom": "0",
        "kernel.panic": "10",
        "kernel.panic_on_oops": "1",
        "kernel.keys.root_maxkeys": "1000000",
        "kernel.keys.root_maxbytes": "25000000",
        "fs.inotify.max_user_instances": "8192",
        "net.ipv4.ip_forward": "1",
    }
    if V6 in families:
        values["net.ipv6.conf.all.forwarding"] = "1"
    if place.spec.network.cni is Cni.BRIDGE:
        values["net.bridge.bridge-nf-call-iptables"] = "1"
        if V6 in families:
            values["net.bridge.bridge-nf-call-ip6tables"] = "1"
    return values
