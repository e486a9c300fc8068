"""`python -m kamerton`."""

import sys

if not sys.flags.safe_path:
    # `-m` puts the current folder first on the path, where a workspace's `datasets/` would pass for the library.
    sys.path.pop(0)

from kamerton.cli.main import entry

entry()
