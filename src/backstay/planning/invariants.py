"""The one quorum guard: every step that takes an etcd member away asks here first."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from backstay.errors import QuorumError


def quorum(voters: int) -> int:
    """Return how many voters must agree: more than half."""
    return voters // 2 + 1


def tolerated(voters: int) -> int:
    """Return how many voters may fail before writes stop."""
    return voters - quorum(voters)


def require_quorum_without(
    member: str, *, voters: AbstractSet[str], healthy: AbstractSet[str]
) -> None:
    """Raise QuorumError unless enough healthy voters remain while `member` is away.

    A cluster of one voter has no quorum to keep: taking it away is an outage that its
    owner chose with the number of members, not one that a guard can prevent.
    """
    if len(voters) == 1:
        return
    remaining = len((voters & healthy) - {member})
    needed = quorum(len(voters))
    if remaining < needed:
        away = sorted(voters - healthy)
        raise QuorumError(
            f"taking etcd member {member} away would stop all writes",
            why=f"{remaining} of {len(voters)} voters would be left, {needed} are needed; "
            f"not healthy now: {', '.join(away) or 'none'}",
            next_move="bring the unhealthy members back first: backstay status",
        )


def margin(voters: AbstractSet[str], healthy: AbstractSet[str]) -> str:
    """Say the quorum sum in one sentence, as the plan prints it."""
    needed = quorum(len(voters))
    left = len(voters & healthy) - needed
    return (
        f"{needed} of {len(voters)} needed, {len(voters & healthy)} healthy now; "
        f"tolerates {max(left, 0)} failure{'' if left == 1 else 's'}"
    )
