"""A handler module that ends its process."""

import sys

sys.exit(4)
