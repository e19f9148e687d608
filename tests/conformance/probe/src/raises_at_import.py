"""A module that cannot be loaded."""

raise RuntimeError("the table is not configured")
