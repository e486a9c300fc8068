"""The word before a number that says what the number is: `NIP: 5260250274`, `order no. 5260250274`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

__all__ = ["Label", "label_before"]

Label = Literal["pesel", "nip", "regon", "iban", "card", "phone", "other", ""]

_REACH = 40  # characters before a number in which its label is looked for

# A number that is labelled as anything of these is not a phone or a card, whatever its digits are.
_LABELS = re.compile(
    r"""(?<![^\W_])(?:
      (?P<pesel>pesel\w{0,4})
    | (?P<nip>nip(?:u|em|owi)?\b|vat(?:in)?\b|tin\b|tax\s(?:id|no|number|identification)\w*)
    | (?P<regon>regon\w{0,3})
    | (?P<iban>iban|nrb\b|kont(?:o|a|u|em)\b|rachun\w+|account)
    | (?P<card>kart[aeęąyo]\w*|card|visa|mastercard|amex)
    | (?P<phone>tel(?:efon\w*)?\b|phones?\b|telephone\w*|mobile|cell(?:phone)?\b|kom(?:\b|órk\w*)|fax\w*|faks\w*
        |(?:za|od|prze|po)?dzwo[nń]\w*|call\b|calling\b|dial\b|ring\s(?:me|us|him|her)|whats\s?app\w*|sms\w*|text\sme
        |infolini\w*|hotline|helpline|kontakt\w*|contact\w*|reach\s(?:me|us|him|her)\w*|signal\b)
    | (?P<other>krs\b|isbn\b|issn\b|ean\b|imei\b|vin\b|sku\b|bdo\b|doi\b|pmid\b|faktur\w*|invoice\w*
        |zam(?:[oó]wie\w*|\.?\snr)|order\b(?!\sto)|sygn\w*|spraw[ayieęą]\b|case\s(?:no|number|id|ref|\#)|ticket\w*
        |zg[lł]osze\w*|przesy[lł]\w*|pacz\w*|tracking|parcel|shipment|serial|seryjn\w*|ref\b|refer\w*|id\b
        |identyfikator\w*|ksi[eę]g\w*|umow\w*|contract|polis\w+|policy|licen\w*|version|wersj\w*|build\b|commit
        |timestamp|znacznik\w*|katalog\w*|part\sno|artyku[lł]\w*|item\b|batch|parti[iae]\b|kod\b|code\b|seed|hash
        |population|ludno\w*|amount|kwot\w*|revenue\w*|profits?\b|budget\w*|turnover|gdp\b|pkb\b
        |przych[oó]d\w*|obr[oó]t\w*|zysk\w*|bud[zż]et\w*|wp[lł]yw\w*|koszt\w*)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=16)  # several patterns ask about one place
def label_before(text: str, start: int) -> Label:
    """The nearest label within 40 characters before `start`; `other` for one of no interest, empty for none."""
    label: Label = ""
    for found in _LABELS.finditer(text, max(0, start - _REACH), start):
        label = found.lastgroup or ""  # type: ignore[assignment]
    return label
