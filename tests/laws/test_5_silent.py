"""Law 5: no key bytes in any plan, log or exception."""

from __future__ import annotations

import base64
import json
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest
from harms import cases
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import BackstayError, StepFailedError
from backstay.pki.kept import KeptName
from backstay.planning import render
from backstay.planning.look import PLAIN, Detail
from backstay.planning.plan import Plan
from backstay.planning.propose import propose
from backstay.secret import Secret
from fakes.clusters import Case, Shape, built
from fakes.computer import Node
from fakes.credentials import made

LINE = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


def key_lines(case: Case) -> frozenset[str]:
    """Return every line of every key, as it is and in base64: to show one is to leak it."""
    kept = [one for number in range(3) for one in made(number).values() if isinstance(one, Secret)]
    secrets = [*(one.reveal() for one in kept), *case.credentials.shown]
    plain = {line for secret in secrets for line in LINE.findall(secret.decode())}
    encoded = {base64.b64encode(secret).decode() for secret in secrets}
    # As it travels to a machine: in lines.
    sent = {base64.encodebytes(secret).decode().splitlines()[1] for secret in secrets}
    return frozenset(plain | encoded | sent)


def everything_said(case: Case, plan: Plan) -> Iterator[str]:
    """Yield all that a run shows, writes down or leaves in a traceback."""
    for detail in Detail:
        look = replace(PLAIN, detail=detail)
        yield render.text(plan, spec=case.spec, look=look)
        yield render.files(plan, look=look)
    yield json.dumps(render.document(plan))
    yield repr(plan)
    yield repr(case.credentials.trust)
    yield from (f"{one!r} {one} {[one]}" for one in made(0).values() if isinstance(one, Secret))
    yield repr(case.world.events)


def assert_silent(case: Case, *said: str) -> None:
    leaked = [line for line in key_lines(case) if any(line in text for text in said)]
    assert leaked == []


@given(cases())
def test_no_plan_and_no_event_has_a_key_in_it(case: Case) -> None:
    """Whatever is planned and performed, from authorities to lost certificates."""
    plan = case.look().plan()
    case.world.perform(plan)
    assert_silent(case, *everything_said(case, plan))


def test_a_secret_with_wrong_rights_is_named_and_not_shown() -> None:
    """Every key that anyone may read is mended; that it differs is all that is said."""
    case = built(Shape(1))
    tree = case.world.computers["cp-1"].tree
    secrets = [name.value for name in KeptName if not name.public]
    for path in secrets:
        tree[path] = replace(tree[path], mode="644")
    plan = case.look().plan()
    assert {change.key.name for _, change in plan.changes} == {*secrets}
    assert_silent(case, *everything_said(case, plan))


PUBLIC = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/pki/ca.crt",
    "/etc/etcd/etcd.env",
)


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("form", ["{pem}", "  client-key-data: {base64}\n", "PASSWORD={base64}\n"])
def test_a_key_that_somebody_put_into_a_public_file_is_not_shown(path: str, form: str) -> None:
    """The difference is shown, and what a person wrote there by mistake is not."""
    case = built(Shape(1))
    wish = case.look().wish
    key = next(one for one in made(0).values() if isinstance(one, Secret)).reveal()
    text = "before\n" + form.format(pem=key.decode(), base64=base64.b64encode(key).decode())
    case.world.computers["cp-1"].tree[path] = Node(text.encode() + b"after\n")
    plan = propose(case.spec, wish, case.world.observe(wish.hosts))
    assert f"{path} (cp-1)" in render.files(plan)
    assert_silent(case, *everything_said(case, plan))


@given(cases(), st.integers(0, 400))
def test_no_error_has_a_key_in_it(case: Case, commands: int) -> None:
    """Whatever command of a machine fails, neither the message nor the traceback has one."""
    case.world.budget = commands
    case.world.spent = lambda: StepFailedError("no space left on device")
    try:
        case.apply()
    except BackstayError as error:
        assert_silent(case, str(error), repr(error), "".join(traceback.format_exception(error)))
