"""What is in the image."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from backstay.lab.recipe import (
    EXECUTABLES,
    FILES,
    LINKS,
    PREPARE_SCRIPT,
    RECIPE,
    REMOVED,
    Recipe,
    bootstrap_command,
    digest,
)

OTHERS = [
    replace(RECIPE, suite="trixie"),
    replace(RECIPE, packages=RECIPE.packages[1:]),
    replace(RECIPE, dropped_paths=()),
    replace(RECIPE, files={**FILES, "etc/x": "y"}),
    replace(RECIPE, links={**LINKS, "etc/x": "y"}),
    replace(RECIPE, removed=REMOVED[1:]),
]


def test_the_same_recipe_has_the_same_name() -> None:
    """The cache is found again by the next run."""
    assert digest(Recipe()) == digest(RECIPE)


@pytest.mark.parametrize("other", OTHERS)
def test_any_other_recipe_has_another_name(other: Recipe) -> None:
    """No image is taken for one that it is not."""
    assert digest(other) != digest(RECIPE)


def test_every_executable_is_a_file_of_the_recipe() -> None:
    """A mode without a file would be forgotten silently."""
    assert set(EXECUTABLES) <= set(FILES)


def test_balancers_are_there_but_not_started() -> None:
    """They run with backstay's configuration, or not at all."""
    assert {"haproxy", "keepalived"} <= set(RECIPE.packages)
    for name in ("haproxy", "keepalived"):
        assert f"etc/systemd/system/multi-user.target.wants/{name}.service" in REMOVED


def test_no_machine_shares_a_secret_with_another() -> None:
    """Host keys of the image would be everyone's."""
    assert "etc/ssh/ssh_host_*" in REMOVED
    assert "etc/machine-id" in REMOVED


def test_no_address_of_a_registry_is_in_the_command() -> None:
    """Packages come from where this computer gets its own."""
    command = bootstrap_command(RECIPE, root="/r", sources="/s", options="/o")
    assert command[-3:] == ("bookworm", "/r", "/s")
    assert not any("://" in word for word in command)


def test_the_preparing_script_is_proper_shell() -> None:
    """Checked by the shell itself."""
    subprocess.run(("sh", "-n"), input=PREPARE_SCRIPT, text=True, check=True)
