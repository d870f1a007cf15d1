"""The page in a real Chromium: it draws, it zooms, and its console stays empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pytest

from backstay.drill.history import SECOND, History, Kind, Mark, Operation
from backstay.drill.report.compare import comparison_page
from backstay.drill.report.document import document, drilled
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


@dataclass(frozen=True)
class Picture:
    """Where the plot is in the window, and the first lane below it."""

    left: float
    wide: float
    top: float
    bottom: float
    lanes: float

    @classmethod
    def of(cls, browser: Browser) -> Picture:
        """Scroll to it and ask where it is."""
        x, y, _, _ = browser.place("#chart")
        said = str(browser.run("document.getElementById('chart').dataset.place"))
        left, wide, top, bottom, lanes = (float(one) for one in said.split())
        return cls(x + left, wide, y + top, y + bottom, y + lanes)

    def at(self, share: float) -> float:
        """Return the place of a moment, as a share of the whole drill's length."""
        return self.left + self.wide * share


def dots(browser: Browser) -> int:
    """How many pixels of the picture have the colour of an acknowledged operation, or nearly."""
    return int(
        browser.run("""(() => {
          const canvas = document.getElementById("chart");
          const [left, wide, top, bottom] = canvas.dataset.place.split(" ").map(Number);
          const {data} = canvas.getContext("2d").getImageData(left, top, wide, bottom - top);
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
    assert browser.text("h1").startswith("Writes stopped for 1.5 s")
    count = len(history.of(Operation))
    assert visible(browser).startswith(f"{WHOLE} · {count:,} operations · ")
    assert dots(browser) > 1000


def test_dragging_zooms_and_a_double_click_shows_all_again(
    browser: Browser, tmp_path: Path
) -> None:
    """What is chosen with the mouse is what is in view."""
    shown(browser, story(), tmp_path)
    picture = Picture.of(browser)
    middle = picture.top + 100
    browser.drag((picture.at(0.25), middle), (picture.at(0.5), middle))
    begin, _, end, _ = visible(browser).replace(" to ", " ").split()[:4]
    assert (float(begin), float(end)) == (pytest.approx(4, abs=0.05), pytest.approx(8, abs=0.05))
    for count in (1, 2):
        at = {"button": "left", "clickCount": count}
        browser.mouse("Pressed", picture.left + 50, middle, **at)
        browser.mouse("Released", picture.left + 50, middle, **at)
    browser.settle()
    assert visible(browser).startswith(WHOLE)


def test_the_wheel_zooms_where_it_points_and_scrolls_when_all_is_shown(
    browser: Browser, tmp_path: Path
) -> None:
    """The moment under the pointer stays under it; zooming out of everything moves the page."""
    shown(browser, story(), tmp_path)
    picture = Picture.of(browser)
    place = (picture.at(0.5), picture.top + 100)
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
    """Client, key, outcome and time; of a lane, who held it; of a line, who began to."""
    shown(browser, story(), tmp_path)
    picture = Picture.of(browser)
    found = set()
    for step in range(12):
        browser.mouse("Moved", picture.at(6 / 16) + step, picture.top + 27)
        found.add(str(browser.text("#tip")))
    assert any("unknown (timeout) after 600 ms" in one for one in found)
    assert any("s, about 14:00:06 UTC" in one for one in found)
    browser.mouse("Moved", picture.at(1 / 4), picture.lanes + 24 + 12)
    assert browser.text("#tip").startswith("etcd leader: cp-1\n0.000 s to 7.050 s")
    browser.mouse("Moved", picture.at(9.1 / 16), picture.bottom - 200)
    assert browser.text("#tip") == (
        "cp-2 has the lease of kube-scheduler\nat 9.100 s, about 14:00:09 UTC"
    )


def labels(browser: Browser) -> list[tuple[str, int, float, float]]:
    """What is written above the plot: text, row, left, right."""
    said = browser.run("document.getElementById('chart').dataset.labels")
    return [(text, row, left, right) for text, row, left, right in json.loads(said)]


def busy() -> History:
    """A drill in which the leader changes every third of a second."""
    told = story()
    marks = (
        Mark(6 * SECOND + number * SECOND // 3, Kind.LEADER, "cp-2", f"cp-{number % 3 + 1}")
        for number in range(12)
    )
    return History(told.header, (*told.records, *marks))


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("make", [story, busy])
def test_labels_name_elections_and_do_not_overlap(
    browser: Browser, tmp_path: Path, width: int, make: Callable[[], History]
) -> None:
    """The fault and its end always have one; of elections as many as there is room for."""
    shown(browser, make(), tmp_path)
    browser.resize(width, 900)
    browser.settle()
    found = labels(browser)
    texts = [text for text, *_ in found]
    assert {"↓ freeze machine on cp-1", "↓ healed"} < set(texts)
    if make is story:
        assert {"leader cp-3", "address cp-2", "scheduler cp-2"} < set(texts)
    left, wide = (
        float(one)
        for one in str(browser.run("document.getElementById('chart').dataset.place")).split()[:2]
    )
    assert all(left <= begin and end <= left + wide for _, _, begin, end in found)
    for one, other in combinations(found, 2):
        assert one[1] != other[1] or one[3] < other[2] or other[3] < one[2]


def test_of_several_machines_the_page_says_once_that_all_healed(
    browser: Browser, tmp_path: Path
) -> None:
    """Each machine that is hit, or undone, ends a span of the fault and begins another."""
    told = story()
    more = (
        replace(one, subject="cp-2", at=one.at + SECOND // 10)
        for one in told.records
        if isinstance(one, Mark) and one.kind is Kind.FAULT
    )
    shown(browser, History(told.header, (*told.records, *more)), tmp_path)
    texts = [text for text, *_ in labels(browser)]
    assert texts.count("↓ healed") == 1


def test_names_of_lanes_have_room(browser: Browser, tmp_path: Path) -> None:
    """None is cut, whatever fonts there are."""
    shown(browser, story(), tmp_path)
    place = browser.run("document.getElementById('chart').dataset.place")
    wanted = browser.run("""(() => {
      const pen = document.getElementById("chart").getContext("2d");
      pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
      return pen.measureText("lease controller-manager").width;
    })()""")
    assert float(str(place).split()[0]) > wanted + 14


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


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_a_comparison_shows_both_sides_in_any_window(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    """The numbers of A and of B can be seen without scrolling the table sideways."""
    found = json.loads(json.dumps(document(drilled(story(), GOOD))))
    path = tmp_path / "both.html"
    path.write_text(comparison_page(found, found, TEMPLATE), encoding="utf-8")
    browser.show(path, width=width)
    right = browser.run(
        "document.querySelector('#compared tbody td:nth-child(3)').getBoundingClientRect().right"
    )
    assert right <= width
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_no_row_of_numbers_is_broken_in_a_narrow_window(browser: Browser, tmp_path: Path) -> None:
    """A number and its unit stay on one line, even where they must be scrolled to."""
    shown(browser, story(objectives=("gap<2s",)), tmp_path)
    browser.resize(390, 800)
    browser.settle()
    heights = browser.run("""[...document.querySelectorAll("#numbers > .scroll tbody tr")]
        .map((row) => row.getBoundingClientRect().height)""")
    assert max(heights) < 40
