"""Every way a run can end badly, as one tree; each class carries its exit code.

BackstayError               1  failed part-way; safe to run again
├── StepFailedError         1  a command on a machine said no
├── GateTimeoutError        1  a condition did not come true before its deadline
├── AnswerIsNoError         2  it ran, and the answer is no (changes pending, findings)
├── RejectedError           3  nothing was changed: the input or a machine is not fit
│   ├── ConfigError         3  cluster.yaml (or another file of the user's)
│   ├── PreflightError      3  a machine, or this computer, is not ready
│   └── ArtefactError       3  a binary could not be had, or is not the one expected
├── UnreachableError        4  a machine does not answer
│   ├── AuthenticationError 4  it answers, and does not let us in
│   └── HostKeyError        4  it answers, and is not the machine it was
├── RefusedError            5  it would be unsafe
│   ├── QuorumError         5  too few healthy members would be left
│   ├── LockedError         5  somebody else is changing this cluster
│   └── StalePlanError      5  the world changed since the plan was made
├── UsageError             64  the command line
└── InterruptedRunError   130  the user stopped it
"""

from __future__ import annotations


class BackstayError(Exception):
    """A failure that says what, where, why we think so, and what to type next.

    Every part is text for people, already free of secrets.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", next_move: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next_move = next_move

    @property
    def sentence(self) -> str:
        """What and why in one line, for lists and tables that say elsewhere where it was."""
        return ": ".join(" ".join(part.split()) for part in (self.what, self.why) if part)

    def __str__(self) -> str:
        parts = (
            self.what,
            self.where and f"where: {self.where}",
            self.why and f"why: {self.why}",
            self.next_move and f"next: {self.next_move}",
        )
        return "\n".join(part for part in parts if part)


class StepFailedError(BackstayError):
    """A command on a machine ended with a status other than zero."""


class GateTimeoutError(BackstayError):
    """A condition did not come true before its deadline; `why` is its last answer."""


class AnswerIsNoError(BackstayError):
    """The question was answered, and the answer is no."""

    exit_code = 2


class RejectedError(BackstayError):
    """The input or a machine is not fit; nothing was changed."""

    exit_code = 3


class ConfigError(RejectedError):
    """A file of the user's says something that cannot be meant."""


class PreflightError(RejectedError):
    """A machine, or this computer, lacks something that the work needs."""


class ArtefactError(RejectedError):
    """A binary could not be had, or its digest is not the one expected."""


class UnreachableError(BackstayError):
    """A machine does not answer."""

    exit_code = 4


class AuthenticationError(UnreachableError):
    """A machine answers and does not let us in."""


class HostKeyError(UnreachableError):
    """A machine answers with a host key that is not the pinned one."""


class RefusedError(BackstayError):
    """Going on would be unsafe; nothing was changed."""

    exit_code = 5


class QuorumError(RefusedError):
    """Too few healthy etcd members would be left."""


class LockedError(RefusedError):
    """Another run holds the lock of this cluster."""


class StalePlanError(RefusedError):
    """The configuration or the machines changed since the plan was made."""


class UsageError(BackstayError):
    """The command line does not make sense."""

    exit_code = 64


class InterruptedRunError(BackstayError):
    """The user stopped the run; what was begun was finished or left whole."""

    exit_code = 130
