"""Makes tests/fakes importable for every test, and lets no busy computer fail a law."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# How long an example takes says how busy the computer is; `make bench` measures time.
settings.register_profile("backstay", deadline=None)
settings.load_profile("backstay")
