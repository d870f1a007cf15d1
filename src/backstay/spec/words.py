"""What a word of YAML without quotes means, where all who read YAML agree; a trap where not.

YAML 1.1 and 1.2 differ over `no`, `022` and `8_443`: what one takes for a text or a number, the
other takes for something else, and the reader of the file cannot see which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TRUE_OR_FALSE = frozenset({"yes", "no", "on", "off", "y", "n"})
# Python refuses to read longer ones, and no key takes as much.
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,18}(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_BASES = (
    (re.compile(r"[-+]?0[xX][0-9a-fA-F_]{1,16}"), 16),
    (re.compile(r"[-+]?0[bB][01_]{1,64}"), 2),
    (re.compile(r"[-+]?0[oO][0-7_]{1,20}"), 8),
    (re.compile(r"[-+]?[0-9][0-9_]{0,24}"), 10),
)
_NUMBER_TO_SOME = "a text is needed; write it in quotes, or some take it for a number"
_TRUTH_TO_SOME = "a text is needed; write it in quotes, or some take it for true or false"


@dataclass(frozen=True, slots=True)
class Trap:
    """A word that is read differently; `instead` is what was probably meant."""

    text: str
    message: str
    instead: str


def meaning(word: str) -> object:
    """Return the value of a word without quotes: None, bool, int, float, str, or a Trap."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if word.lower() in _TRUE_OR_FALSE:
        return Trap(word, _TRUTH_TO_SOME, f'"{word}"')
    if word[0] not in "+-.0123456789":
        return word
    return _number(word)


def _number(word: str) -> object:
    if WHOLE.fullmatch(word):
        return int(word)
    for form, base in _BASES:
        if form.fullmatch(word):
            return Trap(word, _NUMBER_TO_SOME, _plain(word, base))
    return float(word) if _FRACTION.fullmatch(word) else word


def _plain(word: str, base: int) -> str:
    """Return the number as everybody reads it: the 18 of 0o22, and the 22 of 022."""
    try:
        return str(int(word.replace("_", ""), base))
    except ValueError:
        return f'"{word}"'
