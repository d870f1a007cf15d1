"""Why a connection came to nothing, in words: libraries tell it by the names of their classes."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator


def reason(error: BaseException, *, seconds: float) -> str:
    """Return why there was no answer; `seconds` is how long it was waited for."""
    found = (_words(one, seconds) for one in _causes(error))
    return next((words for words in found if words), "") or _spelled(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, what it came from (also if hidden), and so on: wrappers say least."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: BaseException, seconds: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer in {seconds:g} s"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLEOFError() | ConnectionError():
            # A port that is reached through a machine is closed when nothing listens behind it.
            return "connection refused or closed"
        case ssl.SSLError():
            return str(error)
        case OSError(errno=int(number), filename=None) if number > 0:
            return os.strerror(number).lower()
    return ""


def _spelled(error: BaseException) -> str:
    """Return what it says of itself, or else its name as words: `ReadError` is a read error."""
    return str(error) or re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
