"""The tables of `docs/llamafactory.md`, made from the keys themselves.

Run as a program it rewrites them: `python tests/recipe/llamafactory_page.py`.
"""

from __future__ import annotations

from pathlib import Path

from kamerton.recipe.llamafactory import KEYS, Became, Equal, Refused

PAGE = Path(__file__).resolve().parents[2] / "docs" / "llamafactory.md"
BEGIN = "<!-- the tables below are made by tests/recipe/llamafactory_page.py -->\n"


def tables() -> str:
    """One table a fate; keys of one reason stand in one row."""
    became = [(name, key, key.fate) for name, key in KEYS.items() if isinstance(key.fate, Became)]
    rows = [
        f"| `{name}` | {_shown(key.default)} | `{fate.target}` | {_cell(fate.how)} | {_code(fate.scope)} |"
        for name, key, fate in became
    ]
    equal: dict[str, list[str]] = {}
    refused: dict[tuple[str, str], list[str]] = {}
    for name, key in KEYS.items():
        if isinstance(key.fate, Equal):
            equal.setdefault(key.fate.why, []).append(name)
        elif isinstance(key.fate, Refused):
            refused.setdefault((key.fate.why, key.fate.way), []).append(name)
    return "\n".join(
        [
            f"\n## Keys that become something ({len(became)})\n",
            "| key | its default | becomes | | with |\n|---|---|---|---|---|",
            *rows,
            f"\n## Keys that change nothing here ({sum(map(len, equal.values()))})\n",
            "| keys | why |\n|---|---|",
            *(f"| {_names(names)} | {_cell(why)} |" for why, names in equal.items()),
            f"\n## Keys that are refused ({sum(map(len, refused.values()))})\n",
            "Their defaults ask for nothing and pass.\n",
            "| keys | why | the nearest way |\n|---|---|---|",
            *(f"| {_names(names)} | {_cell(why)} | {_cell(way)} |" for (why, way), names in refused.items()),
        ]
    )


def page(text: str) -> str:
    """The page with its tables as they should be."""
    return text.partition(BEGIN)[0] + BEGIN + tables() + "\n"


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(default: object) -> str:
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
