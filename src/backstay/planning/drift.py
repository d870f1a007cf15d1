"""What differs between the wish and the machines; nothing is planned for what is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from backstay.components.wish import Manifest, Wish
from backstay.planning.observation import Observation
from backstay.planning.plan import Change
from backstay.resources.resource import Diff, Key, Resource, Unknown

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [^\n]*|\Z)", re.DOTALL)
_VALUE = re.compile(
    r"(?im)^(.*(?:client-key-data|(?<!cluster_)token|password|secret) *[:=] *)\S.*$"
)


@dataclass(frozen=True, slots=True)
class Drift:
    """Changes by host, in the wish's order; what could not be read; objects that differ."""

    hosts: Mapping[str, tuple[Change, ...]]
    unknown: tuple[tuple[str, Key, str], ...]
    objects: tuple[Manifest, ...] = ()
    late_objects: tuple[Manifest, ...] = ()
    object_reasons: Mapping[str, tuple[Diff, ...]] = field(default_factory=dict)


def drift(wish: Wish, observation: Observation) -> Drift:
    """Compare every resource of every reached host, and every object, with what was seen."""
    reasons = dict(_object_reasons((*wish.objects, *wish.late_objects), observation))
    reached = observation.reached
    return Drift(
        hosts={
            host: tuple(_changes(host, resources, observation))
            for host, resources in sorted(wish.hosts.items())
            if host in reached
        },
        unknown=tuple(_unknown(wish, observation)),
        objects=tuple(one for one in wish.objects if object_name(one) in reasons),
        late_objects=tuple(one for one in wish.late_objects if object_name(one) in reasons),
        object_reasons=reasons,
    )


def _changes(
    host: str, resources: Mapping[Key, Resource], observation: Observation
) -> Iterator[Change]:
    for key, resource in resources.items():
        seen = observation.seen(host, key)
        if not isinstance(seen, Unknown) and (diffs := resource.diff(seen)):
            content = None if seen is None else seen.get("content")
            yield Change(resource, diffs, None if content is None else concealed(content))


def concealed(text: str) -> str:
    """Return the text without keys, tokens and passwords that somebody put into a public file."""
    return _VALUE.sub(r"\1(secret)", _PRIVATE_KEY.sub("(private key)", text))


def _unknown(wish: Wish, observation: Observation) -> Iterator[tuple[str, Key, str]]:
    for host in sorted(observation.reached):
        for key in wish.hosts.get(host, {}):
            seen = observation.seen(host, key)
            if isinstance(seen, Unknown):
                yield host, key, seen.why


def object_name(manifest: Manifest) -> str:
    """Return `kind/namespace/name`, the namespace empty for objects of the whole cluster."""
    metadata = manifest["metadata"]
    if not isinstance(metadata, Mapping):
        message = f"an object without metadata: {manifest!r}"
        raise TypeError(message)
    return f"{manifest['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def _object_reasons(
    objects: tuple[Manifest, ...], observation: Observation
) -> Iterator[tuple[str, tuple[Diff, ...]]]:
    for manifest in objects:
        name = object_name(manifest)
        live = observation.objects.get(name, Unknown("not asked"))
        if live is None:
            yield name, (Diff("object", "present", None),)
        elif not isinstance(live, Unknown) and (diffs := tuple(_below("", manifest, live))):
            yield name, diffs


def _below(path: str, want: object, have: object) -> Iterator[Diff]:
    """Yield what is wished and differs; what the API added by itself is no difference."""
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for key, value in want.items():
            yield from _below(f"{path}.{key}" if path else str(key), value, have.get(key))
    elif isinstance(want, list | tuple) and isinstance(have, list) and len(want) == len(have):
        for index, (value, other) in enumerate(zip(want, have, strict=True)):
            yield from _below(f"{path}[{index}]", value, other)
    elif want != have:
        yield Diff(path, _short(want), None if have is None else _short(have))


def _short(value: object) -> str:
    text = str(value)
    limit = 80
    return text if len(text) <= limit else text[: limit - 1] + "…"
