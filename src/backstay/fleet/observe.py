"""Look at machines: one script per machine, one round trip, all machines at once."""

from __future__ import annotations

import asyncio
import base64
import shlex
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from backstay.errors import BackstayError, GateTimeoutError, PreflightError, UnreachableError
from backstay.fleet.transport import Machine
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen, Observation, Unreachable
from backstay.resources.resource import Facts, Key, Resource, Seen, Unknown

OBSERVE_SECONDS = 60.0
_KINDS = {"text": "file"}


def script_text(name: str) -> str:
    """Return a script that ships with the package."""
    return resources.files("backstay.fleet").joinpath("scripts", name).read_text()


def observing_script(wished: Iterable[Resource], *, mark: str) -> str:
    """Return the script that tells about every resource, one call per kind of question."""
    questions: dict[str, list[str]] = {}
    for resource in wished:
        probe = resource.probe()
        questions.setdefault(probe.verb, []).append(probe.argument)
    calls = [shlex.join((f"probe_{verb}", *names)) for verb, names in questions.items()]
    return "\n".join((f"mark={mark}", script_text("observe.sh"), "probe_survey", *calls, ""))


def read_answers(output: str, *, mark: str) -> HostSeen:
    """Turn the marked lines of an observing script into facts; all else is noise."""
    survey: dict[str, str] = {}
    records: dict[Key, dict[str, str] | None] = {}
    by_process: dict[str, str] = {}
    for kind, name, field, value in _marked(output, mark):
        match kind, field:
            case "survey", _:
                survey[field] = value
            case "process", _:
                by_process[name] = value
            case "certificate_half", _:
                stem, half = name.rsplit(".", 1)
                part = {"crt": "certificate", "key": "key"}[half]
                mode, owner = value.split("|")
                record = records.setdefault(Key("certificate", stem), {})
                if record is not None:
                    record |= {f"{part}_mode": mode, f"{part}_owner": owner}
            case _, "absent":
                records[Key(kind, name)] = None
            case _:
                record = records.setdefault(Key(kind, name), {})
                if record is not None:
                    record |= _facts(kind, field, value)
    _join_processes(records, by_process)
    return HostSeen(survey, records)


def _marked(output: str, mark: str) -> Iterator[tuple[str, str, str, str]]:
    for line in output.splitlines():
        parts = line.split("\t", 4)
        if len(parts) == 5 and parts[0] == mark:  # noqa: PLR2004  # the frame of `say`
            yield parts[1], parts[2], parts[3], parts[4]


def _facts(kind: str, field: str, value: str) -> Mapping[str, str]:
    if field == "stat":
        type_, mode, owner = value.split("|")
        return {"type": _file_type(type_), "mode": mode, "owner": owner}
    if (kind, field) == ("certificate", "certificate"):
        return {field: base64.b64encode(_unescape(value).encode()).decode()}
    return {field: _unescape(value) if field == "content" else value}


def _file_type(text: str) -> str:
    types = {"regular file": "file", "regular empty file": "file", "symbolic link": "link"}
    return types.get(text, text)


def _unescape(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    parts = text.split("\\")
    out = [parts[0]]
    pending = iter(parts[1:])
    for part in pending:
        if part:
            out.append(escapes.get(part[0], part[0]) + part[1:])
        else:
            out.append("\\" + next(pending, ""))
    return "".join(out)


def _join_processes(
    records: dict[Key, dict[str, str] | None], by_process: Mapping[str, str]
) -> None:
    for key, record in records.items():
        if key.kind == "service" and record is not None:
            digest = by_process.get(record.get("pid", ""))
            if digest is not None:
                record["digest"] = digest


async def observe(
    world: World, wished: Mapping[str, Mapping[Key, Resource]], *, mark: str
) -> Observation:
    """Ask every machine about everything wished of it; `mark` is a random word of this run.

    Raises PreflightError naming every machine on which our script does not run.
    """
    unfit: list[PreflightError] = []

    async def one(host: str) -> HostSeen | Unreachable:
        machine = world.machines[host]
        if isinstance(machine, UnreachableError):
            return _unreachable(machine, machine.exit_code)
        try:
            return await _ask(world, machine, wished[host], mark)
        except (GateTimeoutError, UnreachableError) as error:
            return _unreachable(error, UnreachableError.exit_code)
        except PreflightError as error:
            unfit.append(error)
            return _unreachable(error, error.exit_code)

    hosts = sorted(wished)
    seen = await asyncio.gather(*(one(host) for host in hosts))
    if unfit:
        raise _joined(unfit)
    return Observation(dict(zip(hosts, seen, strict=True)))


def _unreachable(error: BackstayError, exit_code: int) -> Unreachable:
    """Return why a machine is silent and what to do about it, as a sentence for a plan's notes."""
    return Unreachable("; ".join(filter(None, (error.sentence, error.next_move))), exit_code)


def _joined(errors: list[PreflightError]) -> PreflightError:
    """Return one error for all machines with the same trouble, and the first of others."""
    errors.sort(key=lambda error: error.where)
    alike = [error for error in errors if error.what == errors[0].what]
    return PreflightError(
        errors[0].what,
        where=", ".join(error.where for error in alike),
        why="\n".join(dict.fromkeys(error.why for error in alike)),
        next_move=errors[0].next_move,
    )


async def _ask(
    world: World, machine: Machine, wished: Mapping[Key, Resource], mark: str
) -> HostSeen:
    script = observing_script(wished.values(), mark=mark)
    arrivals: list[float] = []

    def note_clock(line: str) -> None:
        if line.startswith(f"{mark}\tsurvey\t.\tclock\t"):
            arrivals.append(float(line.rpartition("\t")[2]) - world.now().timestamp())

    done = await machine.run(script, deadline=OBSERVE_SECONDS, on_line=note_clock)
    seen = read_answers(done.stdout, mark=mark)
    if not seen.survey:
        raise PreflightError(
            "the machine did not run our script",
            where=machine.name,
            why=(done.stderr.strip() or done.stdout.strip() or "it said nothing")[-400:],
            next_move="check that /bin/sh works there for the SSH user",
        )
    records: dict[Key, Seen] = {key: _complete(key, seen) for key in wished}
    # The line was on its way for some milliseconds: enough to see seconds of skew.
    skew = {"clock_skew": f"{arrivals[0]:.3f}"} if arrivals else {}
    return HostSeen({**seen.survey, **skew}, records)


# Without these a record is torn: the thing is there, and could not be read.
_NEEDED = {"file": "sha256", "binary": "sha256", "service": "active"}


def _complete(key: Key, seen: HostSeen) -> Seen:
    record = seen.record(key)
    if record is None or isinstance(record, Unknown):
        return record
    facts: Facts = record
    needed = _NEEDED.get(key.kind)
    if needed and needed not in facts and facts.get("type", "file") == "file":
        return Unknown(f"it is there, but its {needed} could not be read")
    return facts
