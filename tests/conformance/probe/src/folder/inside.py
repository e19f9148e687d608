"""A handler in a folder."""


def handler(event, context):
    """Return the name under which it was imported."""
    return __name__
