"""`python -m kamerton`."""

from kamerton.cli.main import entry

entry()
