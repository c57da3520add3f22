"""Test pictures, damaged as each protocol states."""
