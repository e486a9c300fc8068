"""Letters, marks and space: what cannot be seen and yet changes what a tokenizer sees."""

from __future__ import annotations

import re
import unicodedata

__all__ = [
    "may_hold_controls",
    "may_hold_template",
    "may_hold_unicode",
    "mend_controls",
    "mend_template",
    "mend_unicode",
    "mend_whitespace",
]

_CONTROL = re.compile(
    # Terminal codes; C0 and C1 but tab, line feed, carriage return and next line; what turns the direction; notes
    # between the lines; no characters at all.
    "\x1b\\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
    "|[\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufffe\uffff]"
    # Text in invisible letters, but for the flags of England, Scotland and Wales.
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]+"
)
_LATEX = {
    "\x07lpha": "\\alpha",
    "\x08egin": "\\begin",
    "\x08eta": "\\beta",
    "\x08inom": "\\binom",
    "\x0bec": "\\vec",
    "\x0crac": "\\frac",
}
"""Formulas of which a backslash and the letter after it were read as one sign."""
_BROKEN_LATEX = re.compile(f"(?:{'|'.join(_LATEX)})(?![a-z])")
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which no file can hold."""
_DIRECTION = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")

_SPACES = re.compile("[\u00a0\u2007\u202f]")
_ZERO_WIDTH = re.compile("[\u200b\u2060\ufeff\u00ad]")
"""Zero-width joiners are not among them: emoji and Persian need them."""
_LINE_END = re.compile("\r\n?|[\u2028\u2029]")
_BLANK = " \t\n"
_TRAILING = re.compile("[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile("\n{4,}")
_LEADING = re.compile(r"\A(?:[ \t]*\n)*(?: {1,3}(?=\S))?")
"""Blank lines, or a few spaces; four and more are the indentation of code."""

_TEMPLATE = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>"  # ChatML, Llama 3 and 4, Phi, Qwen, Zephyr, Cohere, Granite, harmony
    "|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>"  # DeepSeek
    r"|\[/?INST\]|<</?SYS>>"  # Llama 2, Mistral
    r"|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|SYSTEM_PROMPT|MODEL_SETTINGS)\]"
    r"|<(?:start_of_turn|end_of_turn|bos|eos)>|</?tool_(?:call|response)>"  # Gemma; Qwen, Hermes
    # Alpaca
    r"|^### (?:Instruction|Input|Response|Human|Assistant|User|System|Instrukcja|Polecenie|Wejście|Odpowiedź):",
    re.MULTILINE,
)
# Of Vicuna and Claude 2; one alone is a part in a play.
_SPEAKERS = tuple(
    (re.compile(pattern, re.MULTILINE), asks, answers)
    for pattern, asks, answers in (
        ("^(?:USER|ASSISTANT): ", "USER: ", "ASSISTANT: "),
        (r"(?<=\n\n)(?:Human|Assistant): ", "\n\nHuman: ", "\n\nAssistant: "),
    )
)
_NESTED = 20
"""How deep tokens may stand in each other."""
_BRACKETS = re.compile("[][<>|#\uff5c]")
_SENTENCE = re.compile("</?s>")
_TEMPLATE_SIGNS = ("<", "[", "### ", "ASSISTANT: ", "\n\nAssistant: ")


def mend_unicode(text: str) -> str:
    """In NFC; letters of other forms (ligatures, full width) stay as they are."""
    return unicodedata.normalize("NFC", text) if may_hold_unicode(text) else text


def may_hold_unicode(text: str) -> bool:
    return not unicodedata.is_normalized("NFC", text)


def may_hold_controls(text: str) -> bool:
    """Whether there is something in a text that cannot be seen, other than spaces and line feeds."""
    return not (text.isprintable() or ("\n" in text and text.replace("\n", "").isprintable()))


def may_hold_template(text: str) -> bool:
    return any(map(text.__contains__, _TEMPLATE_SIGNS))


def mend_controls(text: str) -> str:
    r"""Without control characters, terminal codes, invisible text and marks of direction.

    A form feed and `rac` become `\frac`, and so on. Marks between letters of both directions stay where a text has
    letters that are written from right to left.
    """
    if not may_hold_controls(text):
        return text
    if _RIGHT_TO_LEFT.search(text) is None:
        text = _DIRECTION.sub("", text)
    text = _BROKEN_LATEX.sub(lambda found: _LATEX[found[0]], _HALF.sub("\ufffd", text))
    while (after := _CONTROL.sub("", text)) != text:
        text = after
    return text


def mend_whitespace(text: str) -> str:
    """Ordinary spaces and line ends, none of them at the ends, and at most two blank lines in a row."""
    if may_hold_controls(text):
        text = _ZERO_WIDTH.sub("", _SPACES.sub(" ", _LINE_END.sub("\n", text)))
    if " \n" in text or "\t\n" in text:
        text = _TRAILING.sub("", text)
    if "\n\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n\n", text)
    return (_LEADING.sub("", text) if text[:1] in _BLANK else text).rstrip()


def mend_template(text: str) -> str:
    """Without control tokens of chat templates, and without those that their removal puts together."""
    if not may_hold_template(text):
        return text
    before = text
    for _ in range(_NESTED):
        if (after := _without_tokens(text)) == text:
            return text if text == before else text.strip()
        text = after
    # Nobody writes so deep a nest but to slip a token through: no token is without these.
    return _without_tokens(_BRACKETS.sub("", text)).strip()


def _without_tokens(text: str) -> str:
    text = _TEMPLATE.sub("", text)
    for pattern, asks, answers in _SPEAKERS:
        if asks in text and answers in text:
            text = pattern.sub("", text)
    # The marks of a sentence, unless they strike words out, as in HTML.
    first, last = text.find("<s>"), text.find("</s>")
    struck_out = first < last and text.count("<s>") == text.count("</s>")
    if struck_out and not (text.startswith("<s>") and text.endswith("</s>")):
        return text
    return _SENTENCE.sub("", text)
