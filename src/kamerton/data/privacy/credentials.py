"""Secrets: keys of known providers, tokens, private keys, passwords in connection strings and assignments.

Placeholders (`your-api-key`, `sk-...`, `AKIA...EXAMPLE`, `${TOKEN}`) are none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from kamerton.data.privacy.spans import Span
from kamerton.recipe.privacy import PrivacyKind

__all__ = ["find_known_keys", "find_named_keys", "find_passwords", "find_url_passwords"]

# A beginning that can be looked for at the speed of memchr, the kind, and the whole of the key.
_KNOWN: tuple[tuple[str, PrivacyKind, str], ...] = (
    ("AKIA", "api_key", r"AKIA[A-Z0-9]{16}"),  # AWS, long-lived
    ("ASIA", "api_key", r"ASIA[A-Z0-9]{16}"),  # AWS, temporary
    *((f"gh{sort}_", "api_key", rf"gh{sort}_[A-Za-z0-9]{{30,}}") for sort in "pousr"),  # GitHub
    ("github_pat_", "api_key", r"github_pat_\w{22,}"),
    *((f"{sort}-", "api_key", rf"{sort}-[\w.-]{{20,}}") for sort in ("glpat", "gldt", "glrt", "glptt")),  # GitLab
    ("xox", "token", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    ("xapp-", "token", r"xapp-[0-9]-[A-Za-z0-9-]{20,}"),
    ("hooks.slack.com", "token", r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,}"),
    ("sk-", "api_key", r"sk-(?:ant-|proj-|svcacct-|admin-|or-)?[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, OpenRouter
    ("AIza", "api_key", r"AIza[\w-]{35}"),  # Google
    ("GOCSPX-", "api_key", r"GOCSPX-[\w-]{20,}"),
    ("ya29.", "token", r"ya29\.[\w-]{20,}"),
    ("hf_", "api_key", r"hf_[A-Za-z0-9]{30,}"),  # Hugging Face
    ("_live_", "api_key", r"(?:sk|rk|pk|whsec)_live_[A-Za-z0-9]{16,}"),  # Stripe
    ("_test_", "api_key", r"(?:sk|rk)_test_[A-Za-z0-9]{16,}"),
    ("SG.", "api_key", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),  # SendGrid
    ("npm_", "api_key", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", "api_key", r"pypi-AgE[\w-]{40,}"),
    ("dop_v1_", "api_key", r"dop_v1_[0-9a-f]{64}"),  # DigitalOcean
    ("dapi", "api_key", r"dapi[0-9a-f]{32}"),  # Databricks
    ("gsk_", "api_key", r"gsk_[A-Za-z0-9]{40,}"),  # Groq
    ("xai-", "api_key", r"xai-[A-Za-z0-9]{40,}"),
    ("r8_", "api_key", r"r8_[A-Za-z0-9]{37}"),  # Replicate
    (":AA", "token", r"[0-9]{8,10}:AA[\w-]{33}"),  # Telegram
    ("eyJ", "token", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),  # JSON web token
)
_COMPILED = [(begin, kind, re.compile(rf"(?<![\w-]){pattern}(?![\w-])")) for begin, kind, pattern in _KNOWN]

_HEADER = re.compile(r"\b(?:Bearer|Basic|Token)\s+([A-Za-z0-9._~+/-]{16,}={0,2})", re.IGNORECASE)
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----BEGIN)[\s\S]){40,20000}?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@\"'<>]{0,64}:([^\s/@\"'<>]{3,128})@[\w.\[-]", re.IGNORECASE)
_IS = r"\s{0,3}(?::=|=>|={1,2}|:)\s{0,3}"
_SAYS = r"\s(?:to|is|jest|brzmi|ustaw\w*|set to)[: ]\s?"
_ASSIGNED_KEY = re.compile(
    r"(?P<name>api[_ -]?key|klucz[_ ](?:api|dostępu)"
    r"|(?:secret|access|account|auth|private|signing|encryption)[_ -]?(?:access[_ -]?)?key"
    r"|client[_ -]?secret|secret|token)"
    rf"s?(?![^\W_])[\"'`*]{{0,3}}(?:{_IS}|{_SAYS})[\"'`]?(?P<value>[A-Za-z0-9_\-+/=.~]{{16,}})",
    re.IGNORECASE,
)
_ASSIGNED_PASSWORD = re.compile(
    r"(?:(?<![^\W_])|(?-i:(?<=[a-z])(?=P)))(?:(?:password|passwd|passphrase|has[lł](?:o|em))(?!\w)"
    r"(?: (?:do|for) [\w-]{1,20}(?: [\w-]{1,20})?)?[\"'`*]{0,3}"
    rf"(?:{_IS}|{_SAYS}|\s(?=[\"'`]))|(?:pass|pwd)[\"'`]?{_IS})"
    r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`<>]{6,})",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"your|twoj|twój|example|przyk[lł]ad|placeholder|changeme|change_me|dummy|redacted|insert|xxx|\*\*\*|\.\.\.|…|todo|fake|sample"
    r"|(?:^|[^a-z])(?:my|some|the|here|none|null|true|false|process|os|env|getenv|config|settings|self|request|req|this|args)(?:[^a-z]|$)"
    r"|1234567890?abc|abcdefg|0{8}|^[\[{(<$%&]",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"pass(?:word|wd|wort)?|secret|token|has[lł]o|admin|root|user(?:name)?|guest|postgres|mysql|test", re.IGNORECASE
)


def find_known_keys(text: str) -> Iterator[Span]:
    """Keys and tokens of known form, and private keys."""
    for begin, kind, pattern in _COMPILED:
        if begin in text:
            for found in pattern.finditer(text):
                if _looks_drawn(found[0]):
                    yield Span(kind, found.start(), found.end(), found[0])
    if "PRIVATE KEY" in text:
        for found in _PEM.finditer(text):
            if len(re.findall(r"[A-Za-z0-9+/]", found[0])) >= 100 and not re.search(r"\.\.\.|…", found[0]):
                yield Span("private_key", found.start(), found.end(), found[0])


def find_named_keys(text: str) -> Iterator[Span]:
    """Keys and tokens after a word that says what they are: `Bearer`, `api_key =`; 16 characters or more."""
    for found in _HEADER.finditer(text):
        if _is_key(found[1]):
            yield Span("token", found.start(1), found.end(1), found[1])
    for found in _ASSIGNED_KEY.finditer(text):
        value = found["value"]
        if _is_key(value):
            kind: PrivacyKind = "token" if "token" in found["name"].lower() else "api_key"
            yield Span(kind, found.start("value"), found.end("value"), value)


def find_url_passwords(text: str) -> Iterator[Span]:
    """Passwords in connection strings: `postgres://user:PASSWORD@host`."""
    for found in _URL.finditer(text):
        if not _WEAK.fullmatch(found[1]) and not _PLACEHOLDER.search(found[1]):
            yield Span("password", found.start(1), found.end(1), found[1])


def find_passwords(text: str) -> Iterator[Span]:
    """Passwords after a word such as `password:`."""
    for found in _ASSIGNED_PASSWORD.finditer(text):
        value, quoted = found["value"], bool(found["quote"])
        if not quoted:
            value = re.split(r"[,;]|&(?=\w+=)", value)[0].rstrip(".:)]}")
        if _is_password(value, quoted):
            start = found.start("value")
            yield Span("password", start, start + len(value), value)


def _is_key(value: str) -> bool:
    """Whether the value was drawn at random rather than written: 16 or more letters and digits of high entropy."""
    return (
        re.fullmatch(r"[A-Za-z0-9_\-+/=.~]{16,}", value) is not None
        and re.search(r"[0-9]", value) is not None
        and re.search(r"[A-Za-z]", value) is not None
        and _looks_drawn(value)
    )


def _is_password(value: str, quoted: bool) -> bool:
    """Two sorts of characters at the least; a call, a variable or a common word is no password."""
    if len(value) < 6 or _WEAK.fullmatch(value) or _PLACEHOLDER.search(value) or re.search(r"\w\(|://", value):
        return False
    letters, digits = re.search(r"[^\W\d_]", value), re.search(r"[0-9]", value)
    symbols = re.search(r"[^\w.\-]" if quoted else r"[!@#$%^&*?+~]", value)
    return bool((letters and (digits or symbols)) or (digits and symbols))


def _looks_drawn(value: str) -> bool:
    return not _PLACEHOLDER.search(value) and "EXAMPLE" not in value and _entropy(value) >= 3.0


def _entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
