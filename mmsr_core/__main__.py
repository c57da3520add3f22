"""`python -m mmsr_core` is the `mmsr` command."""

import sys

from .cli import main

sys.exit(main())
