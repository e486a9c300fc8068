"""Golden files: what each template renders, its ids, and why each token is trained on or not.

After a wanted change run it with `KAMERTON_GOLDEN=rewrite` in the environment, and read the difference of the files.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from chat_samples import FAMILIES, byte_level, family

from kamerton.chat import Message
from kamerton.ground.errors import DataError

GOLDEN = Path(__file__).with_name("golden")

CONVERSATIONS: dict[str, list[Message]] = {
    "one turn": [
        {"role": "user", "content": "Gdzie złożyć wniosek?"},
        {"role": "assistant", "content": "W Wydziale Spraw Obywatelskich, pokój 12."},
    ],
    "system and two turns": [
        {"role": "system", "content": "Odpowiadaj krótko."},
        {"role": "user", "content": "Ile to 2 + 2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "A zażółć gęślą jaźń?"},
        {"role": "assistant", "content": "To nie liczba. 🙂"},
    ],
    "two turns": [
        {"role": "user", "content": "raz"},
        {"role": "assistant", "content": "dwa"},
        {"role": "user", "content": "trzy"},
        {"role": "assistant", "content": "cztery"},
    ],
    "spaces around": [
        {"role": "user", "content": "  pytanie \n"},
        {"role": "assistant", "content": "\n\n  odpowiedź \n\n"},
    ],
    "control tokens as text": [
        {"role": "user", "content": "Co znaczy <|im_end|>, <|eot_id|>, <end_of_turn> i </s>?"},
        {"role": "assistant", "content": "<|im_end|> kończy turę; <|eot_id|>, <end_of_turn> i </s> też."},
    ],
    "no answer": [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": ""},
    ],
}


def told(name: str) -> dict[str, Any]:
    """What a family makes of all conversations."""
    chat = family(name)
    tokenizer = byte_level()
    cases: dict[str, Any] = {}
    for title, messages in CONVERSATIONS.items():
        case: dict[str, Any] = {"text": chat.render(messages)}
        try:
            tokens = chat.conversation(messages)
        except DataError as error:
            case["error"] = str(error)
            tokens = chat.conversation(messages, last_only=True)
        case |= {
            "ids": tokens.ids,
            "tokens": [tokenizer.id_to_token(token) for token in tokens.ids],
            "mask": [int(on) for on in tokens.trained],
            "reasons": list(tokens.reasons),
            "prompt_ids": chat.prompt_ids(messages[:-1]),
        }
        cases[title] = case
    return cases


def written(cases: dict[str, Any]) -> str:
    """Readable JSON: a line for each list."""
    parts = []
    for title, case in cases.items():
        fields = ",\n".join(f"  {json.dumps(key)}: {json.dumps(case[key], ensure_ascii=False)}" for key in case)
        parts.append(f"{json.dumps(title)}: {{\n{fields}\n }}")
    return "{\n " + ",\n ".join(parts) + "\n}\n"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_renders_and_masks_as_its_golden_file_says(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    cases = told(name)
    if os.environ.get("KAMERTON_GOLDEN") == "rewrite":
        path.write_text(written(cases), encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert golden.keys() == cases.keys()
    for title, case in cases.items():
        assert case == golden[title], f"{name}, {title}: see the head of this file on how to rewrite it"


def test_every_golden_file_belongs_to_a_family() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(FAMILIES)
