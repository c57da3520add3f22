"""MMSR: measure what is wrong with a picture, restore it, and prove that the result agrees with it.

The heavy parts are imported where they are used: `import mmsr_core` does no torch work.
Start with `mmsr_core.pipeline.load_pipeline`.
"""

__version__ = "0.1.0"
