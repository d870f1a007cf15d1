"""Clusters and machines in memory for the laws; every run tries the same examples.

`HYPOTHESIS_PROFILE=deep` tries many more (HYPOTHESIS_EXAMPLES says how many), others each time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "components")]

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "laws", deadline=None, max_examples=10, derandomize=True, suppress_health_check=_SLOW
)
MANY = int(os.environ.get("HYPOTHESIS_EXAMPLES", "1000"))
settings.register_profile("deep", deadline=None, max_examples=MANY, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "laws"))
