"""Where the projects publish their programs, and what is inside the archives; pure."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.fleet.artefacts.modules import KUBERNETES_PROGRAMS, Image, coredns_image
from backstay.spec.versions import Release


@dataclass(frozen=True, slots=True)
class ReleaseHosts:
    """The servers that releases are fetched from; both may be replaced by a mirror of them."""

    kubernetes: str = "https://dl.k8s.io"
    github: str = "https://github.com"


OFFICIAL = ReleaseHosts()


@dataclass(frozen=True, slots=True)
class Download:
    """One published file.

    `members` maps artefact name to its path inside the tar archive; without any, the file itself
    is the artefact called `name`. `image` says that the one program is packed as an image.
    """

    url: str
    name: str = ""
    members: tuple[tuple[str, str], ...] = ()
    image: Image | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The artefacts that this file gives."""
        return tuple(name for name, _ in self.members) or (self.name,)


def downloads(release: Release, *, architecture: str, hosts: ReleaseHosts) -> tuple[Download, ...]:
    """Return every published file of a release; nobody publishes our pause."""
    return (
        *_kubernetes(release.kubernetes, architecture, hosts.kubernetes),
        _etcd(release.etcd, architecture, hosts.github),
        _containerd(release.containerd, architecture, hosts.github),
        _runc(release.runc, architecture, hosts.github),
        _cni(release.cni, architecture, hosts.github),
        _coredns(release.coredns, architecture, hosts.github),
    )


def _published(host: str, project: str, version: str, file: str) -> str:
    return f"{host}/{project}/releases/download/v{version}/{file}"


def _kubernetes(version: str, architecture: str, host: str) -> tuple[Download, ...]:
    folder = f"{host}/v{version}/bin/linux/{architecture}"
    return tuple(Download(f"{folder}/{name}", name=name) for name in KUBERNETES_PROGRAMS)


def _etcd(version: str, architecture: str, host: str) -> Download:
    folder = f"etcd-v{version}-linux-{architecture}"
    url = _published(host, "etcd-io/etcd", version, f"{folder}.tar.gz")
    names = ("etcd", "etcdctl", "etcdutl")
    return Download(url, members=tuple((name, f"{folder}/{name}") for name in names))


def _containerd(version: str, architecture: str, host: str) -> Download:
    # The static one runs on machines with any libc.
    file = f"containerd-static-{version}-linux-{architecture}.tar.gz"
    names = ("containerd", "containerd-shim-runc-v2", "ctr")
    return Download(
        _published(host, "containerd/containerd", version, file),
        members=tuple((name, f"bin/{name}") for name in names),
    )


def _runc(version: str, architecture: str, host: str) -> Download:
    url = _published(host, "opencontainers/runc", version, f"runc.{architecture}")
    return Download(url, name="runc")


def _cni(version: str, architecture: str, host: str) -> Download:
    file = f"cni-plugins-linux-{architecture}-v{version}.tgz"
    names = ("bridge", "host-local", "loopback", "portmap")
    return Download(
        _published(host, "containernetworking/plugins", version, file),
        members=tuple((name, name) for name in names),
    )


def _coredns(version: str, architecture: str, host: str) -> Download:
    file = f"coredns_{version}_linux_{architecture}.tgz"
    return Download(
        _published(host, "coredns/coredns", version, file),
        members=(("coredns.tar", "coredns"),),
        image=Image(coredns_image(version)),
    )
