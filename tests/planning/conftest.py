"""Makes the sites of the components' tests importable: plans are made of what those wish."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
