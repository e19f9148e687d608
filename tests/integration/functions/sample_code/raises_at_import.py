"""A handler module that cannot be imported."""

raise RuntimeError("the table is not configured")
