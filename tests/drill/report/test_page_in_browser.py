"""The page in a real Chromium: it draws, it zooms, and its console stays empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.drill.history import History, Mark, Operation
from backstay.drill.report.document import drilled
from backstay.drill.report.page import page
from fakes.browser import Browser, chromium
from fakes.drill_pages import TEMPLATE, hostile_page
from fakes.drill_stories import GOOD, story

pytestmark = pytest.mark.lab

WHOLE = "0.00 s to 16.00 s"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(autouse=True)
def _nobody_complains(browser: Browser) -> Iterator[None]:
    """No test of this file may leave an error or a warning in the console."""
    browser.complaints.clear()
    yield
    browser.run("1")
    assert browser.complaints == []


def shown(browser: Browser, history: History, folder: Path, *, dark: bool = False) -> None:
    path = folder / "report.html"
    path.write_text(page(drilled(history, GOOD), TEMPLATE), encoding="utf-8")
    browser.show(path, dark=dark)


def visible(browser: Browser) -> str:
    return browser.text("#visible")


def dots(browser: Browser) -> int:
    """How many pixels of the picture have the colour of an acknowledged operation, or nearly."""
    return int(
        browser.run("""(() => {
          const canvas = document.getElementById("chart");
          const {data} = canvas.getContext("2d").getImageData(170, 60, 900, 270);
          let found = 0;
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 2] - data[i] > 40) found += 1;
          }
          return found;
        })()""")
    )


def test_the_page_tells_the_drill_and_draws_it(browser: Browser, tmp_path: Path) -> None:
    """Every operation is in view at first, and there are dots."""
    history = story(objectives=("gap<2s",))
    shown(browser, history, tmp_path)
    assert browser.text("h1").startswith("Writes stopped for 1.4 s")
    count = len(history.of(Operation))
    assert visible(browser).startswith(f"{WHOLE} · {count:,} operations · ")
    assert dots(browser) > 1000


def test_dragging_zooms_and_a_double_click_shows_all_again(
    browser: Browser, tmp_path: Path
) -> None:
    """What is chosen with the mouse is what is in view."""
    shown(browser, story(), tmp_path)
    x, y, width, _ = browser.place("#chart")
    plot, middle = x + 164, y + 150
    wide = width - 164 - 24
    browser.drag((plot + wide * 0.25, middle), (plot + wide * 0.5, middle))
    begin, _, end, _ = visible(browser).replace(" to ", " ").split()[:4]
    assert (float(begin), float(end)) == (pytest.approx(4, abs=0.05), pytest.approx(8, abs=0.05))
    for count in (1, 2):
        at = {"button": "left", "clickCount": count}
        browser.mouse("Pressed", plot + 50, middle, **at)
        browser.mouse("Released", plot + 50, middle, **at)
    browser.settle()
    assert visible(browser).startswith(WHOLE)


def test_the_wheel_zooms_where_it_points_and_scrolls_when_all_is_shown(
    browser: Browser, tmp_path: Path
) -> None:
    """The moment under the pointer stays under it; zooming out of everything moves the page."""
    shown(browser, story(), tmp_path)
    x, y, width, _ = browser.place("#chart")
    place = (x + 164 + (width - 188) / 2, y + 100)
    browser.mouse("Wheel", *place, deltaX=0, deltaY=-600)
    browser.settle()
    begin, _, end = visible(browser).split(" s")[0], None, visible(browser).split(" ")[3]
    assert (float(begin) + float(end)) / 2 == pytest.approx(8, abs=0.05)
    assert float(end) - float(begin) < 8
    browser.mouse("Wheel", *place, deltaX=0, deltaY=3000)
    browser.settle()
    assert visible(browser).startswith(WHOLE)


def test_the_keyboard_does_the_same(browser: Browser, tmp_path: Path) -> None:
    """Zoom, move, all, and the fault."""
    shown(browser, story(), tmp_path)
    browser.run("document.getElementById('chart').focus()")
    ranges = []
    for name in ("+", "ArrowRight", "ArrowLeft", "-", "+", "0", "f"):
        browser.key(name)
        ranges.append(visible(browser).partition(" · ")[0])
    assert ranges == [
        "3.20 s to 12.80 s",
        "5.12 s to 14.72 s",
        "3.20 s to 12.80 s",
        WHOLE,
        "3.20 s to 12.80 s",
        WHOLE,
        "5.00 s to 11.00 s",
    ]


def test_a_filter_hides_what_it_names(browser: Browser, tmp_path: Path) -> None:
    """The count of what is in view follows."""
    history = story()
    shown(browser, history, tmp_path)
    browser.run("document.querySelector('[data-group=\"etcd kept\"]').click()")
    browser.run("document.querySelector('[data-action=read]').click()")
    browser.settle()
    groups = {one.name: one.group for one in history.header.clients}
    left = [
        one
        for one in history.of(Operation)
        if groups[one.client] != "etcd kept" and one.action == "write"
    ]
    assert f" · {len(left):,} operations · " in visible(browser)


def test_pointing_at_an_operation_tells_of_it(browser: Browser, tmp_path: Path) -> None:
    """Client, key, outcome and time; and of a lane, who held it."""
    shown(browser, story(), tmp_path)
    x, y, width, _ = browser.place("#chart")
    wide = width - 188
    found = set()
    for step in range(12):
        browser.mouse("Moved", x + 164 + wide * 6 / 16 + step, y + 73)
        found.add(str(browser.text("#tip")))
    assert any("unknown (timeout) after 600 ms" in one for one in found)
    browser.mouse("Moved", x + 164 + wide / 4, y + 46 + 300 + 26 + 24 + 12)
    assert browser.text("#tip").startswith("etcd leader: cp-1\n0.000 s to 7.050 s")


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    """Nothing of a history runs, and the policy was not even needed."""
    path = tmp_path / "hostile.html"
    path.write_text(hostile_page(), encoding="utf-8")
    browser.show(path)
    assert browser.run("document.images.length") == 0
    assert "operations" in visible(browser)


def test_a_hundred_thousand_operations_are_all_there(browser: Browser, tmp_path: Path) -> None:
    """None is dropped, at first and after zooming out again."""
    stories = [story(rate=560, seed=seed) for seed in (1, 2, 3)]
    operations = tuple(one for told in stories for one in told.of(Operation))
    assert len(operations) > 100_000
    shown(browser, History(stories[0].header, (*stories[0].of(Mark), *operations)), tmp_path)
    told = f"{WHOLE} · {len(operations):,} operations · "
    assert visible(browser).startswith(told)
    for name in ("in", "out"):
        browser.run(f"document.querySelector('[data-view={name}]').click()")
        browser.settle()
        assert visible(browser).startswith(told) == (name == "out")


def test_the_dark_page_is_dark_and_paper_is_white(browser: Browser, tmp_path: Path) -> None:
    """The picture follows the page."""
    shown(browser, story(), tmp_path, dark=True)
    color = "getComputedStyle(document.documentElement).backgroundColor"
    assert browser.run(color) == "rgb(20, 24, 30)"
    assert dots(browser) > 1000
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run(color) == "rgb(251, 250, 248)"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_every_control_has_a_name(browser: Browser, tmp_path: Path) -> None:
    """As a reader of the screen would say it."""
    shown(browser, story(), tmp_path)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    asked = {"button", "checkbox", "image", "img"}
    controls = [one for one in nodes if one.get("role", {}).get("value") in asked]
    assert len(controls) >= 11
    assert [one for one in controls if not one.get("name", {}).get("value")] == []


def test_a_narrow_window_needs_no_sideways_scrolling(browser: Browser, tmp_path: Path) -> None:
    """Tables that are too wide scroll by themselves."""
    shown(browser, story(objectives=("gap<2s",)), tmp_path)
    browser.resize(390, 800)
    browser.settle()
    assert browser.run("document.documentElement.scrollWidth") <= 390
