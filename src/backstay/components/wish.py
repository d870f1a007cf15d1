"""The wish: every resource of every host, each with one owner, and the objects of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.resources.resource import Key, Resource

Manifest = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wish:
    """What each host shall have, in the order in which it is made, and what the API shall hold.

    `objects` are Kubernetes objects; `late_objects` need registered nodes (their labels).
    """

    hosts: Mapping[str, Mapping[Key, Resource]]
    objects: tuple[Manifest, ...] = ()
    late_objects: tuple[Manifest, ...] = ()
