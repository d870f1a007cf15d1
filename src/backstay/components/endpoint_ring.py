"""Rules that send on what belongs to a connection of a balancer that left.

The balancers stand in a ring. A packet that is unknown where it arrives goes to the next of them
that left in an orderly way, and from there on, marked with its origin, never past it: nobody sees
it twice, and the last one refuses (docs/decisions/hand-over.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.spec.model import IPAddress

VRRP = 112
"""The protocol's number; its name is not known on every machine."""

KEPT_SECONDS = 4 * 3600
"""As long as a balancer lets an idle connection be."""

CLAIMS = 3
"""As many adverts, at half the holder's rate, do not make one a holder."""

MINUTE_MILLISECONDS = 60_000

MARKS = range(3, 64, 4)
"""Code points of DSCP that RFC 2474 leaves to everybody's own use: one for each place."""


@dataclass(frozen=True)
class Ring:
    """The IPv4 addresses of all balancers, the same everywhere, and the place of this one."""

    addresses: tuple[str, ...]
    here: int

    @property
    def others(self) -> list[int]:
        """The places behind this one, all around; none where marks do not suffice."""
        return self.onward(self.here) if self.here < len(self.addresses) <= len(MARKS) else []

    def onward(self, origin: int) -> list[int]:
        """Return the places that a packet, begun at an origin, has not yet seen, next one first."""
        size = len(self.addresses)
        return [(self.here + step) % size for step in range(1, (origin - self.here - 1) % size + 1)]


def passing_on(
    ring: Ring, *, vip: IPAddress, port: int, router: int, device: str, advert: int
) -> str:
    """Return rules that learn who left (RFC 5798: priority 0) and send on what is unknown here.

    `advert` is the interval of adverts in milliseconds.

    A flush keeps the sets, so that a reload forgets nobody. A copy passes no connection tracking,
    which would see one direction only and call it invalid. Only what comes in by the address's own
    device is meant: what pods here send to the holder passes here, too. A machine that neither
    holds nor keeps the address refuses, so that a client knows at once: here, since the kernel
    drops without a word what it would forward and finds a connection of its own for, as that of a
    holder whose keepalived ended by itself.
    """
    kept = f"ip daddr {vip} tcp dport {port} tcp flags & syn == 0"
    return f"""\
table ip backstay_endpoint {{
{"".join(_memory(place) for place in ring.others)}}}
flush table ip backstay_endpoint
table ip backstay_endpoint {{
    chain learn {{
        type filter hook input priority filter - 11; policy accept;
        ip ttl 255 meta l4proto {VRRP} @th,8,8 {router} jump who
    }}
    chain who {{
{"".join(_lesson(ring, place, vip, advert) for place in ring.others)}    }}
{"".join(_onward(ring, origin) for origin in ring.others)}\
    chain around {{
        ip dscp vmap {{ {_begun_elsewhere(ring)} }}
{_ways(ring, ring.here)}    }}
    chain pass_on {{
        type filter hook prerouting priority raw; policy accept;
        iifname "{device}" {kept} ip ttl > 1 socket wildcard 1 jump around
        iifname "{device}" {kept} fib daddr type != local reject with tcp reset
    }}
}}
"""


def _memory(place: int) -> str:
    return f"""\
    set left_{place} {{
        type ipv4_addr
        flags dynamic, timeout
        timeout {KEPT_SECONDS}s
        size 16
    }}
"""


def _lesson(ring: Ring, place: int, vip: IPAddress, advert: int) -> str:
    """Return what remembers that a balancer left, and that it is the holder again.

    Which it is once it goes on: who claims the address at the same time as another and yields
    has told of itself once or twice, and still keeps the connections that it left with.
    """
    sender = f"        ip saddr {ring.addresses[place]} @th,16,8"
    half = max(MINUTE_MILLISECONDS // (2 * advert), 1)
    goes_on = f"limit rate over {half}/minute burst {CLAIMS} packets"
    return f"""\
{sender} 0 update @left_{place} {{ {vip} }}
{sender} != 0 {goes_on} delete @left_{place} {{ {vip} }}
"""


def _begun_elsewhere(ring: Ring) -> str:
    return ", ".join(f"{MARKS[place]} : goto from_{place}" for place in sorted(ring.others))


def _onward(ring: Ring, origin: int) -> str:
    return f"    chain from_{origin} {{\n{_ways(ring, origin)}    }}\n"


def _ways(ring: Ring, origin: int) -> str:
    """Return one rule for each machine that a packet may go on to; the first that left gets it."""
    return "".join(
        f"        ip daddr @left_{place} ip dscp set {MARKS[origin]}"
        f" dup to {ring.addresses[place]} drop\n"
        for place in ring.onward(origin)
    )
