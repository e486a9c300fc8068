"""Privacy: personal data and secrets are found, and reported, masked, given pseudonyms or set aside with their row."""

from kamerton.data.privacy.find import KINDS, find, find_all
from kamerton.data.privacy.key import key_id, privacy_key
from kamerton.data.privacy.protect import PrivacyResult, protect
from kamerton.data.privacy.pseudonyms import mask, pseudonym
from kamerton.data.privacy.spans import Span

__all__ = [
    "KINDS",
    "PrivacyResult",
    "Span",
    "find",
    "find_all",
    "key_id",
    "mask",
    "privacy_key",
    "protect",
    "pseudonym",
]
