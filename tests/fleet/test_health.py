"""What is understood of the answers to `backstay status`."""

from __future__ import annotations

from backstay.fleet.health import failed_checks

READYZ = """[+]ping ok
[-]etcd failed: reason withheld
[+]poststarthook/rbac/bootstrap-roles ok
[-]shutdown failed: reason withheld
readyz check failed
"""


def test_only_what_failed_is_told() -> None:
    """Of forty checks a person wants the two that are not as they should be."""
    assert failed_checks(READYZ) == (
        "etcd failed: reason withheld; shutdown failed: reason withheld"
    )


def test_another_answer_is_told_as_it_is() -> None:
    """A proxy in between says something else, on one line and not too long."""
    assert failed_checks("<html>\n  503 Service  Unavailable</html>\n") == (
        "<html> 503 Service Unavailable</html>"
    )
    assert len(failed_checks("x" * 1000)) == 200
