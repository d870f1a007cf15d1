"""What this computer needs."""

from __future__ import annotations

import pytest

from backstay.errors import PreflightError
from backstay.lab.requirements import REQUIREMENTS, check_requirements, is_present, missing


def refusal(*, absent: set[str], user: int) -> PreflightError:
    """Return the error of a computer that lacks some programs."""
    with pytest.raises(PreflightError) as caught:
        check_requirements(present=lambda proof: proof not in absent, user=user)
    return caught.value


def test_a_ready_computer_passes() -> None:
    """Root, and everything there."""
    check_requirements(present=lambda _proof: True, user=0)


def test_all_that_is_missing_is_told_at_once_with_one_command() -> None:
    """Every missing program has its line; one apt-get call installs them all."""
    error = refusal(absent={"mmdebstrap", "nft", "/usr/include/seccomp.h"}, user=0)
    assert [line.split()[1] for line in error.why.splitlines()] == [
        "mmdebstrap",
        "nft",
        "/usr/include/seccomp.h",
    ]
    assert error.next_move == (
        "apt-get install --yes --no-install-recommends libseccomp-dev mmdebstrap nftables"
    )


def test_who_is_not_root_is_told_together_with_the_rest() -> None:
    """One list, not one after the other."""
    error = refusal(absent={"ip"}, user=1000)
    assert "not root" in error.why
    assert "no ip " in error.why
    assert error.next_move.startswith("sudo apt-get install")


def test_only_root_is_missing() -> None:
    """There is nothing to install then."""
    assert refusal(absent=set(), user=1000).next_move == "run this as root"


def test_a_package_is_named_once() -> None:
    """However many of its files are missing."""
    everything = {requirement.proof for requirement in REQUIREMENTS}
    packages = refusal(absent=everything, user=0).next_move.split()[4:]
    assert packages == sorted(set(packages))


def test_programs_are_looked_for_on_path_and_files_where_they_are() -> None:
    """The real look at this computer."""
    assert is_present("sh")
    assert is_present("/etc/passwd")
    assert not is_present("no-such-program-anywhere")
    assert not is_present("/no/such/file")
    assert missing((), present=is_present) == ()
