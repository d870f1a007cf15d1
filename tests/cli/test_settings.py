"""Advice can be typed as it is printed."""

from __future__ import annotations

import pytest

from backstay.cli.settings import Settings


@pytest.mark.parametrize(
    ("advice", "typed"),
    [
        ("backstay status; then: backstay drill undo", None),
        ("backstay tune", None),
        ("backstay drill suite quick", "backstay drill suite -c 'a b.yaml' quick"),
        ("backstay drill undo -c x", "backstay drill undo -c x"),
        ("backstay drill list", "backstay drill list"),
        ("backstay drill check FILE", "backstay drill check FILE"),
        ("backstay lab up", "backstay lab up"),
    ],
)
def test_advice_names_the_configuration_where_a_verb_needs_it(
    advice: str, typed: str | None
) -> None:
    """For a lab `backstay drill undo` alone would find no cluster.yaml, or another cluster's."""
    named = Settings(config="a b.yaml").runnable(advice)
    words = " -c 'a b.yaml'"
    whole = advice.replace("status", f"status{words}").replace("undo", f"undo{words}")
    assert named == (whole.replace("tune", f"tune{words}") if typed is None else typed)


@pytest.mark.parametrize("config", ["cluster.yaml", "-"])
def test_a_configuration_that_needs_no_words_gets_none(config: str) -> None:
    """The one that is meant without words, and the one that nobody can name."""
    assert Settings(config=config).runnable("backstay drill undo") == "backstay drill undo"
    assert Settings(config=config).config_words == ()
