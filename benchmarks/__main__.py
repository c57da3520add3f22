"""`python -m benchmarks BENCHMARK`: see benchmarks/README.md."""

from __future__ import annotations

import sys

from .command import main

sys.exit(main())
