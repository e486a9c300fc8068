"""A document as Markdown, for a pull request or a model's page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kamerton.registry.report.blocks import (
    Block,
    Cell,
    Command,
    Example,
    Facts,
    Figure,
    Fold,
    Lineage,
    Note,
    Page,
    Search,
    Table,
    VerdictBox,
)
from kamerton.registry.report.page import build_page

__all__ = ["render_markdown"]

_SIGNS = {"good": "✓ ", "bad": "✗ "}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def render_markdown(document: Mapping[str, Any], language: str) -> str:
    """The report without its charts, which the JSON view has as numbers.

    Args:
        document: what `build_document` gave.
        language: `en` or `pl`.

    Raises:
        RequestError: there is no such language.
    """
    page = build_page(document, language)
    lines = [f"# {_text(page.title)}", "", _text(page.kicker) + ". " + _text(page.subtitle), ""]
    lines += _verdict(page.verdict)
    lines += [f"> ✗ {_text(warning)}\n" for warning in page.warnings]
    lines += _cards(page)
    for section in page.sections:
        lines += [f"## {_text(section.title)}", "", _text(section.lead), ""]
        for block in section.blocks:
            lines += _block(block)
    lines += ["---", "", *(f"{_text(line)}  " for line in page.footer)]
    return "\n".join(lines).rstrip() + "\n"


def _text(text: str) -> str:
    """Text that Markdown shows as it is: on one line, no letter of it markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _fenced(text: str) -> list[str]:
    """Text as it is, lines kept, inside a fence longer than any that it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence, ""]


def _verdict(box: VerdictBox) -> list[str]:
    lines = [f"**{_SIGNS.get(box.tone, '')}{_text(box.label)}: {_text(box.word)}.** {_text(box.sentence)}", ""]
    lines += [
        f"- {'✓' if reason.passed else '✗'} **{_text(reason.head)}.** {_text(reason.text)}" for reason in box.reasons
    ]
    if box.reasons:
        lines.append("")
    return lines + (_fenced(box.command) if box.command else [])


def _cards(page: Page) -> list[str]:
    rows = [[Cell(card.label), Cell(card.value, tone=card.tone), Cell(card.note)] for card in page.cards]
    return _grid(["", "", ""], rows)


def _grid(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    lines = [_row([_text(name) for name in head]), _row(["---"] * len(head))]
    lines += [_row([_cell(cell) for cell in row]) for row in rows]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    return "<br>".join(_text(part) for part in (cell.full or cell.text, *cell.notes) if part)


def _block(block: Block) -> list[str]:
    match block:
        case Table():
            caption = [f"**{_text(block.caption)}**", ""] if block.caption else []
            return [*caption, *_grid(block.head, block.rows)]
        case Facts():
            return [*(f"- {_text(name)}: {_cell(cell)}" for name, cell in block.rows), ""]
        case Figure() | Search():
            return []
        case Note():
            return [
                f"{_SIGNS.get(block.tone, '')}{_text(block.text)}",
                "",
                *(_fenced(block.command) if block.command else []),
            ]
        case Command():
            return [*([_text(block.text), ""] if block.text else []), *_fenced(block.command)]
        case Lineage():
            nodes = (*block.origins, block.model)
            return [*(f"- {_text(n.label)}: {_text(n.name)}, {_text(n.note)}, {n.digest[:12]}" for n in nodes), ""]
        case Example():
            return _example(block)
        case Fold():
            return [f"### {_text(block.title)}", "", *(line for inner in block.blocks for line in _block(inner))]


def _example(example: Example) -> list[str]:
    lines = [f"### {_text(example.title)}", "", _text(example.values), ""]
    got = "".join(text for text, _ in example.got)
    for heading, text in zip(example.headings, (example.prompt, example.expected, got), strict=True):
        lines += [f"{_text(heading)}:", "", *_fenced(text)]
    return lines + [line for note in example.notes for line in (_text(note), "")]
