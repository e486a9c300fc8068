"""The project of these tests, after the whole loop."""

from tiny_project import finished

__all__ = ["finished"]
