"""`data.privacy:` personal data and secrets in the rows."""

from __future__ import annotations

from typing import Literal, get_args

from kamerton.recipe.base import Section

__all__ = ["PrivacyKind", "PrivacySection"]

PrivacyKind = Literal[
    "pesel",
    "nip",
    "regon",
    "iban",
    "card",
    "email",
    "phone",
    "address",
    "name",
    "api_key",
    "token",
    "password",
    "private_key",
]
"""`password` is one in a connection string or an assignment (`password = "..."`); `address` needs a number or a postal
code; the others are what they are called."""


class PrivacySection(Section):
    """What is looked for, and what is done with what is found."""

    action: Literal["off", "report", "mask", "pseudonymise", "drop"] = "report"
    """`mask` writes `[PESEL]`; `pseudonymise` writes the same invented value for the same person everywhere, by the
    workspace's key, and masks secrets; `drop` sets the row aside."""
    kinds: list[PrivacyKind] = [kind for kind in get_args(PrivacyKind) if kind != "name"]
    """What is looked for; `name` needs a model of names: `pip install kamerton[names]`."""
    names_model: str = ""
    """Folder or name of the spaCy model for `name`, such as `pl_core_news_sm`."""
