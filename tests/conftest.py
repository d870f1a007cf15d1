"""What holds for every test: fakes can be imported, laws may be slow, signals arrive."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# How long an example takes says how busy the computer is; `make bench` measures time.
settings.register_profile("backstay", deadline=None)
settings.load_profile("backstay")

# In the background, or under nohup, these are ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
