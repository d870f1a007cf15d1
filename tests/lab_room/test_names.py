"""What the things of a lab are called."""

from __future__ import annotations

import pytest

from backstay.errors import UsageError
from backstay.lab.names import check_name, is_of_lab, machine_handle, switch_handle, uplink


@pytest.mark.parametrize("name", ["a", "lab", "lab-2", "x" * 24])
def test_good_names_are_taken(name: str) -> None:
    """Lower-case letters, digits and dashes, up to 24."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a.b", "a/b", "../a", "2a", "a b", "a\n", "x" * 25, "$(id)"]
)
def test_other_names_are_refused(name: str) -> None:
    """Nothing that could leave a directory, a shell word or a label of DNS."""
    with pytest.raises(UsageError):
        check_name(name)


def test_a_lab_does_not_own_what_belongs_to_one_with_a_longer_name() -> None:
    """`down` of lab `a` must not touch lab `a-b`."""
    assert is_of_lab(machine_handle("a", "cp-1"), "a")
    assert is_of_lab(switch_handle("a"), "a")
    assert not is_of_lab(machine_handle("a-b", "cp-1"), "a")
    assert not is_of_lab("backstay.a", "a")


def test_links_fit_the_kernel() -> None:
    """An interface name has at most 15 characters."""
    assert len(uplink(254)) <= 15
