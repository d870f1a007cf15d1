"""What is built out of which Go modules, as a table; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.spec.versions import Release

NOBODY = "65535:65535"
"""User and group of what needs no rights at all; the number that Kubernetes' own pause has."""


@dataclass(frozen=True, slots=True)
class Image:
    """How a program is packed as the only file of a container image."""

    reference: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class ModuleSet:
    """Programs that one `go build` makes out of one go.mod.

    `folder` is the folder of go.mod in our package data; `outputs` maps what Go calls a program
    to the artefact it becomes; `image` says that it is packed as one; `cache_bytes` is what the
    set adds to empty module and build caches, measured.
    """

    name: str
    folder: str
    outputs: Mapping[str, str]
    packages: tuple[str, ...]
    cache_bytes: int
    flags: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=lambda: {"CGO_ENABLED": "0"})
    needs_c: bool = False
    image: Image | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The artefacts that this set makes."""
        return tuple(self.outputs.values())


KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
    "kubeadm",
)


def module_sets(release: Release) -> tuple[ModuleSet, ...]:
    """Return every set of the release: the small ones first, so that progress shows early."""
    return (
        _pause(release.pause),
        _cni(release.cni),
        _runc(release.runc),
        _etcd(release.etcd),
        _containerd(release.containerd),
        _coredns(release.coredns),
        _kubernetes(release.kubernetes),
    )


def stamp(package: str, **values: str) -> tuple[str, ...]:
    """Return linker flags that set string variables of a package."""
    return tuple(f"-X={package}.{name}={value}" for name, value in values.items())


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _kubernetes(version: str) -> ModuleSet:
    # kubeadm and the skew checks of the apiserver read these; the commit and the date are fixed
    # because they would differ per computer, and the digest with them.
    major, minor, _ = version.split(".")
    git = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return ModuleSet(
        name="kubernetes",
        cache_bytes=5_000_000_000,
        folder=f"kubernetes-{version}",
        packages=tuple(f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_PROGRAMS),
        outputs=_same(*KUBERNETES_PROGRAMS),
        link=stamp("k8s.io/component-base/version", **git)
        + stamp("k8s.io/client-go/pkg/version", **git),
    )


def _etcd(version: str) -> ModuleSet:
    return ModuleSet(
        name="etcd",
        cache_bytes=900_000_000,
        folder=f"etcd-{version}",
        packages=tuple(f"go.etcd.io/etcd/{name}/v3" for name in ("server", "etcdctl", "etcdutl")),
        # The package of etcd itself is called server, and Go names the program after it.
        outputs={"server": "etcd", "etcdctl": "etcdctl", "etcdutl": "etcdutl"},
    )


def _containerd(version: str) -> ModuleSet:
    module = "github.com/containerd/containerd/v2"
    programs = ("containerd", "containerd-shim-runc-v2", "ctr")
    return ModuleSet(
        name="containerd",
        cache_bytes=900_000_000,
        folder=f"containerd-{version}",
        packages=tuple(f"{module}/cmd/{name}" for name in programs),
        outputs=_same(*programs),
        link=stamp(f"{module}/version", Version=f"v{version}"),
    )


def _runc(version: str) -> ModuleSet:
    # runc enters namespaces in C before Go starts. Linked statically it runs on machines that
    # have another libc or no libseccomp; without the seccomp tag no pod would start.
    return ModuleSet(
        name="runc",
        cache_bytes=300_000_000,
        folder=f"runc-{version}",
        packages=("github.com/opencontainers/runc",),
        outputs=_same("runc"),
        flags=("-tags=seccomp,netgo,osusergo",),
        link=("-linkmode=external", "-extldflags=-static"),
        environment={"CGO_ENABLED": "1"},
        needs_c=True,
    )


def _cni(version: str) -> ModuleSet:
    module = "github.com/containernetworking/plugins"
    places = {
        "bridge": "main/bridge",
        "host-local": "ipam/host-local",
        "loopback": "main/loopback",
        "portmap": "meta/portmap",
    }
    return ModuleSet(
        name="cni",
        cache_bytes=300_000_000,
        folder=f"cni-{version}",
        packages=tuple(f"{module}/plugins/{place}" for place in places.values()),
        outputs=_same(*places),
        link=stamp(f"{module}/pkg/utils/buildversion", BuildVersion=f"v{version}"),
    )


def _coredns(version: str) -> ModuleSet:
    return ModuleSet(
        name="coredns",
        cache_bytes=1_300_000_000,
        folder=f"coredns-{version}",
        packages=("github.com/coredns/coredns",),
        outputs={"coredns": "coredns.tar"},
        image=Image(coredns_image(version)),
    )


def _pause(version: str) -> ModuleSet:
    return ModuleSet(
        name="pause",
        cache_bytes=200_000_000,
        folder="pause",
        packages=(".",),
        outputs={"pause": "pause.tar"},
        image=Image(pause_image(version), user=NOBODY),
    )


def coredns_image(version: str) -> str:
    """Return the reference under which coredns.tar is known after its import."""
    return f"backstay.local/coredns:{version}"


def pause_image(version: str) -> str:
    """Return the reference under which pause.tar is known after its import."""
    return f"backstay.local/pause:{version}"
