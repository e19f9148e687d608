"""Stock and patched moto side by side, for the tests of what the patches must not change."""
