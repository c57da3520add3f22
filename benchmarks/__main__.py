"""`python -m benchmarks quality|tradeoff|ablation|kernel|speed|modalities|fusion`."""

from __future__ import annotations

import sys

from .command import main

sys.exit(main())
