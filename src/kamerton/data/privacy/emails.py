"""E-mail addresses, as they are written and as they are spelt out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kamerton.data.privacy.spans import Span

__all__ = ["find_emails", "find_spelt_emails"]

_LOCAL = re.compile(r"(?<![\w.%+'-])[\w][\w.%+'-]*\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-]*@)(?![^\W_])")
_SPELT_OUT = re.compile(
    r"(?<![\w.])([\w.+-]{2,64})\s?[\[(]\s?(?:at|małpa|@)\s?[\])]\s?"
    r"([\w-]+(?:\s?(?:\.|[\[(]\s?(?:dot|kropka)\s?[\])])\s?[\w-]+)*\s?(?:\.|[\[(]\s?(?:dot|kropka)\s?[\])])\s?[a-z]{2,6})\b",
    re.IGNORECASE,
)
# RFC 2606 and RFC 6761: names that are kept for examples and belong to nobody.
_EXAMPLE_DOMAIN = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|org|net|edu|pl))?|test|invalid|localhost)", re.IGNORECASE)
_REMOTE_PATH = re.compile(r":[\w~.-]*/[\w.-]")  # of scp and git: deploy@host.pl:srv/app
_FILE_ENDING = re.compile(
    r"png|jpe?g|gif|svg|webp|ico|css|js|ts|py|md|txt|json|html?|xml|csv|pdf|scss|vue", re.IGNORECASE
)


def find_emails(text: str) -> Iterator[Span]:
    """E-mail addresses; not those at domains that are kept for examples, nor `git@host:path`."""
    place = text.find("@")
    while place != -1:
        local = _LOCAL.search(text, max(0, place - 64), place)
        domain = _DOMAIN.match(text, place + 1)
        if local and domain and _is_address(text, local[0], domain):
            yield Span("email", local.start(), domain.end(), text[local.start() : domain.end()])
        place = text.find("@", place + 1)


def find_spelt_emails(text: str) -> Iterator[Span]:
    """E-mail addresses such as `jan (at) firma [dot] pl`."""
    for found in _SPELT_OUT.finditer(text):
        if not _EXAMPLE_DOMAIN.fullmatch(re.sub(r"\s|[\[(](?:dot|kropka)[\])]", ".", found[2].lower())):
            yield Span("email", found.start(), found.end(), found[0])


def _is_address(text: str, local: str, domain: re.Match[str]) -> bool:
    if _EXAMPLE_DOMAIN.fullmatch(domain[0]) or _FILE_ENDING.fullmatch(domain[0].rpartition(".")[2]):
        return False
    return local != "git" and not _REMOTE_PATH.match(text, domain.end())
