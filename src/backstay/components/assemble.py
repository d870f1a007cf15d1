"""From a site to the wish: every part asked for every host, in the order in which things are made.

A part that a host does not need gives nothing. Which keys a host has follows from the
specification alone; the site decides only values, so that a wish made from assumptions asks the
machines about the right things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from backstay.components.access import access, node_labels
from backstay.components.apiserver import apiserver
from backstay.components.containerd import containerd
from backstay.components.controllers import controllers
from backstay.components.credentials import credentials
from backstay.components.dns import dns
from backstay.components.etcd import etcd
from backstay.components.hand_over import hand_over
from backstay.components.host import host
from backstay.components.kubelet import kubelet
from backstay.components.loadbalancer import loadbalancer
from backstay.components.network import network
from backstay.components.place import Place, survey
from backstay.components.proxy import proxy
from backstay.components.site import Site
from backstay.components.virtual_address import virtual_address
from backstay.components.wish import Wish
from backstay.resources.resource import Key, Resource

Part = Callable[[Place], tuple[Resource, ...]]

PARTS: tuple[Part, ...] = (
    host,
    credentials,
    etcd,
    apiserver,
    controllers,
    hand_over,
    loadbalancer,
    virtual_address,
    containerd,
    network,
    kubelet,
    proxy,
)


def build(site: Site) -> Wish:
    """Return what every host shall have and what the API shall hold; hosts sorted by name."""
    ground = survey(site)
    hosts = sorted(site.spec.hosts, key=lambda each: each.name)
    return Wish(
        hosts={each.name: _owned(each.name, _resources(Place(ground, each))) for each in hosts},
        objects=(*access(), *dns(site.spec)),
        late_objects=node_labels(site.spec),
    )


def _resources(place: Place) -> Iterable[Resource]:
    return (resource for part in PARTS for resource in part(place))


def _owned(name: str, resources: Iterable[Resource]) -> Mapping[Key, Resource]:
    """Return the resources by key; ValueError if two parts wish for the same thing."""
    owned: dict[Key, Resource] = {}
    for resource in resources:
        if resource.key in owned:
            message = f"{name}: two parts wish for {resource.key}"
            raise ValueError(message)
        owned[resource.key] = resource
    return owned
