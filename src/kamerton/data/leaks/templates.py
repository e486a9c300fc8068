"""What a Jinja template takes from a record, without what the template itself says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import DataError

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["rendered"]


def rendered(template: str, record: Mapping[str, Any], *, literals: bool, where: str) -> str:
    """The template filled from a record.

    Args:
        literals: keep the template's own words; without, a line end stands for each piece of them.

    Raises:
        DataError: a template that cannot be read, or a record without what it asks for.
    """
    from jinja2 import TemplateError

    # A template is a stranger's program: anything that it does to a value may fail in any of these ways.
    try:
        return _compiled(template, literals).render(**record)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise DataError(
            f"the template does not fit: {error}", where=where, expected=f"a column for each of {template!r}"
        ) from error


@lru_cache(maxsize=64)
def _compiled(source: str, literals: bool) -> Template:
    from jinja2 import StrictUndefined, Template, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["regex_replace"] = _replaced
    tree = environment.parse(source)
    if not literals:
        for node in tree.find_all(nodes.TemplateData):
            node.data = "\n"
    return Template.from_code(environment, environment.compile(tree), environment.make_globals(None))


def _replaced(value: Any, pattern: str = "", replace: str = "", count: int = 0) -> str:
    """lm-eval's filter of this name."""
    return re.sub(pattern, replace, str(value), count=count)
