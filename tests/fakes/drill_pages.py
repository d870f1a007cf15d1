"""Pages of drills, some with names that nobody should give."""

from __future__ import annotations

import json
from dataclasses import replace

from backstay.cli.drilling import template
from backstay.drill.history import Client, Connection, Header, History, Path
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.compare import comparison_page
from backstay.drill.report.document import Drilled, document, drilled
from backstay.drill.report.page import page
from fakes.drill_stories import story

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&<!--"
TEMPLATE = template()


def hostile() -> Drilled:
    """A drill in which everything that a user or a machine can name is an attack."""
    named = story(name=HOSTILE)
    client = Client(HOSTILE, Path.VIP, Connection.KEPT)
    header: Header = replace(
        named.header,
        scenario=HOSTILE,
        explanation=HOSTILE,
        started=HOSTILE,
        targets=(HOSTILE,),
        members=(HOSTILE,),
        clients=(client, *named.header.clients),
        versions={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
        load={HOSTILE: 1.0},
    )
    texts = dict.fromkeys(
        ("subject", "state", "detail", "client", "key", "error", "value"), HOSTILE
    )
    records = tuple(
        replace(one, **{key: text for key, text in texts.items() if hasattr(one, key)})
        for one in named.records[:200]
    )
    finding = Finding(HOSTILE, Verdict.FAIL, HOSTILE, (HOSTILE,))
    return drilled(History(header, (*named.records, *records)), Judgement((finding,)))


def hostile_page() -> str:
    """Its page."""
    return page(hostile(), TEMPLATE)


def hostile_comparison() -> str:
    """The page on which it is compared with itself."""
    report = json.loads(json.dumps(document(hostile())))
    return comparison_page(report, report, TEMPLATE)
