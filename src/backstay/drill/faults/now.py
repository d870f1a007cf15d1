"""Who is what by now: roles as they were found, and what the machines have said since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from backstay.drill.faults.targets import Roles
from backstay.drill.history import HOLDS, Kind, Mark


def roles_now(roles: Roles, marks: Iterable[Mark]) -> Roles:
    """Return the roles after all that the marks tell, by the order of their moments."""
    for one in sorted(marks, key=lambda mark: mark.at):
        roles = _after(roles, one)
    return roles


def _after(roles: Roles, one: Mark) -> Roles:
    match one.kind:
        case Kind.LEADER if one.state:
            return replace(roles, etcd_leader=one.state)
        case Kind.VIP if one.state == HOLDS:
            return replace(roles, vip_holder=one.subject)
        case Kind.VIP if one.subject == roles.vip_holder:
            return replace(roles, vip_holder=None)
        case Kind.LEASE:
            return replace(roles, leases={**roles.leases, one.subject: one.state})
        case _:
            return roles
