"""One host of a site, as the modules of this room see it; shared work is done once for all hosts.

Membership of roles is looked up in sets that are made once: asking the specification anew for
each host would make the plan of a thousand hosts a hundred times that of a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.components.images import Image
from backstay.components.site import Site, Surroundings
from backstay.pki.authority import fingerprint
from backstay.pki.certificate import Certificate
from backstay.pki.kept import KeptName
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.pki.trust import kept_files
from backstay.resources.content import Text
from backstay.resources.files import Binary, File
from backstay.spec.model import ClusterSpec, Cni, Host

PROGRAMS = "/usr/local/bin"
LIBRARY = "/usr/local/lib/backstay"
SETTINGS = "/etc/backstay"
UNKNOWN_INCARNATION = "unknown"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is the same for all hosts: roles sorted by name, identities, and every host's pki."""

    site: Site
    planes: tuple[Host, ...]
    members: tuple[Host, ...]
    balancers: tuple[Host, ...]
    nodes: tuple[Host, ...]
    roles: Mapping[str, frozenset[str]]
    incarnation: str
    etcd_token: str
    certificates: Mapping[str, Mapping[str, Certificate]]
    kept: Mapping[str, Mapping[str, File]]
    routes: Text

    @property
    def spec(self) -> ClusterSpec:
        """The specification."""
        return self.site.spec


def survey(site: Site) -> Ground:
    """Work out what all hosts share."""
    spec = site.spec
    planes, members = spec.control_planes, spec.etcd_members
    balancers, nodes = spec.load_balancers, spec.nodes
    groups = {"plane": planes, "member": members, "balancer": balancers, "node": nodes}
    return Ground(
        site,
        planes,
        members,
        balancers,
        nodes,
        {role: frozenset(host.name for host in hosts) for role, hosts in groups.items()},
        incarnation=_identity(site, AuthorityName.KUBERNETES),
        etcd_token=f"{spec.name}-{_identity(site, AuthorityName.ETCD)[:16]}",
        certificates=_certificates(site),
        kept={
            host: {file.path: file for file in files}
            for host, files in kept_files(spec, site.trust).items()
        },
        routes=Text(_routes(site, nodes)),
    )


def _identity(site: Site, name: AuthorityName) -> str:
    """Return what tells this making of the cluster from any other: an authority's fingerprint."""
    certificate = site.trust.authority(name)
    return UNKNOWN_INCARNATION if certificate is None else fingerprint(certificate)


def _routes(site: Site, nodes: tuple[Host, ...]) -> str:
    """Return every node's pods and address, one node a line; empty where routes are not ours."""
    if site.spec.network.cni is Cni.NONE:
        return ""
    return "".join(f"{site.subnets[node.name]} {node.internal}\n" for node in nodes)


def _certificates(site: Site) -> Mapping[str, Mapping[str, Certificate]]:
    authorities = {name: site.trust.authority(name) for name in AuthorityName}
    return {
        host: {
            request.name: Certificate(request, authorities[request.authority], site.now)
            for request in wanted
        }
        for host, wanted in requests(site.spec).items()
    }


@dataclass(frozen=True, slots=True)
class Place:
    """A host, and the ground it stands on."""

    ground: Ground
    host: Host

    @property
    def spec(self) -> ClusterSpec:
        """The specification."""
        return self.ground.spec

    @property
    def around(self) -> Surroundings:
        """What the machine is like."""
        return self.ground.site.around(self.host)

    def _has(self, role: str) -> bool:
        return self.host.name in self.ground.roles[role]

    @property
    def is_plane(self) -> bool:
        """Whether it runs an apiserver, a controller-manager and a scheduler."""
        return self._has("plane")

    @property
    def is_member(self) -> bool:
        """Whether it runs a member of etcd."""
        return self._has("member")

    @property
    def is_balancer(self) -> bool:
        """Whether it runs haproxy."""
        return self._has("balancer")

    @property
    def is_node(self) -> bool:
        """Whether it runs a kubelet."""
        return self._has("node")

    @property
    def certificates(self) -> Mapping[str, Certificate]:
        """The host's key pairs, by name."""
        return self.ground.certificates.get(self.host.name, {})

    @property
    def kept_files(self) -> Mapping[str, File]:
        """The cluster's kept files that are on this host, by path."""
        return self.ground.kept.get(self.host.name, {})

    def kept(self, *names: KeptName) -> tuple[File, ...]:
        """Return the kept files of these names; an external authority's key is left out."""
        return tuple(self.kept_files[name] for name in names if name in self.kept_files)

    def program(self, name: str, directory: str = PROGRAMS) -> Binary:
        """Return a program out of the catalogue, at its place."""
        return Binary(f"{directory}/{name}", self.ground.site.catalogue[name])

    def image(self, image: Image) -> Binary:
        """Return an image's archive, at its place."""
        return Binary(image.path, self.ground.site.catalogue[image.artefact], mode="644")
