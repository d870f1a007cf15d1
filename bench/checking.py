"""How long the judge of a drill takes for a history of the usual size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from random import Random

from backstay.drill.history import (
    Action,
    Client,
    Connection,
    Header,
    History,
    Operation,
    Outcome,
    Path,
)
from backstay.drill.oracle.judge import judge
from backstay.drill.oracle.verdict import Verdict
from bench.measure import processor_seconds_of
from bench.table import Row

OPERATIONS, KEYS, CLIENTS = 50_000, 50, 16
MILLISECOND = 1_000_000


def checker_row() -> Row:
    """Judge 50,000 operations over 50 keys by 16 clients that never wait for one another."""
    history = busy_history()
    _require_linearizable(history)
    found = [processor_seconds_of(lambda: _judge(history)) for _ in range(5)]
    middle = statistics.median(found)
    return Row(
        f"judging {OPERATIONS:,} operations over {KEYS} keys (seconds)",
        f"{middle:.2f} s",
        "",
        middle,
        bound=1,
        note="processor time: revisions, lost writes, watches, linearizability",
    )


def busy_history() -> History:
    """Return operations of clients that overlap on every key, each taking effect within its own."""
    random = Random(1)  # noqa: S311  # histories are no secrets
    clients = tuple(Client(f"c{number}", Path.VIP, Connection.KEPT) for number in range(CLIENTS))
    header = Header("bench", "bench", "", "", 1, clients)
    calls = sorted(_calls(random), key=lambda one: one[0])
    return History(header, tuple(_answered(random, calls)))


def _calls(random: Random) -> Iterator[tuple[int, int, int, str]]:
    """Yield when each request takes effect, is called and returns, and by whom."""
    for number in range(CLIENTS):
        now = random.randrange(MILLISECOND)
        for _ in range(OPERATIONS // CLIENTS):
            before, after = (random.randrange(1, 20 * MILLISECOND) for _ in range(2))
            yield now + before, now, now + before + after, f"c{number}"
            now += before + after + 1


def _answered(random: Random, calls: list[tuple[int, int, int, str]]) -> Iterator[Operation]:
    """Yield the operations as one register a key answers them, in the order of their effects."""
    values: dict[str, tuple[str, int]] = {}
    for revision, (_, called, returned, client) in enumerate(calls, start=1):
        key = f"k{random.randrange(KEYS)}"
        if random.random() < 0.5:  # noqa: PLR2004  # as many writes as reads
            values[key] = (str(revision), revision)
            action = Action.WRITE
        else:
            action = Action.READ
        value, modified = values.get(key, (None, None))
        yield Operation(
            client, action, key, called, returned, Outcome.OK, value, revision, modified
        )


def _judge(history: History) -> None:
    judge(history, now=time.monotonic)


def _require_linearizable(history: History) -> None:
    findings = judge(history, now=time.monotonic).findings
    verdicts = {one.verdict for one in findings if one.check == "linearizability"}
    if verdicts != {Verdict.PASS}:
        message = f"a good history was judged {', '.join(verdicts)}"
        raise RuntimeError(message)
