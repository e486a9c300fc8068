"""A model behind an OpenAI-compatible endpoint, named `URL#model`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from kamerton.chat.messages import Message
from kamerton.ground.errors import RequestError, ServerAwayError
from kamerton.ground.settings import offline

__all__ = ["Endpoint", "is_endpoint"]

_KEYS = ("KAMERTON_API_KEY", "OPENAI_API_KEY")
"""Environment variables that hold the key; the first that is set counts."""
_TRIES = 4
_FIRST_WAIT = 1.0
"""Seconds before the second try; each further wait is twice as long, or what the server asks for."""
_LONGEST_WAIT = 60.0
_TIMEOUT = 120.0
_HERE = {"127.0.0.1", "localhost", "::1"}
_BUSY = {408, 409, 429, 500, 502, 503, 504}


def is_endpoint(name: str) -> bool:
    """Whether a MODEL names an endpoint."""
    return name.startswith(("http://", "https://"))


class Endpoint:
    """Answers through `POST URL/chat/completions`, greedily, one request after the other."""

    def __init__(self, name: str) -> None:
        """
        Args:
            name: `URL#model`, such as `http://127.0.0.1:8000/v1#tiny-pl`.

        Raises:
            RequestError: no host or no model in the name, or another host than this one while `HF_HUB_OFFLINE` forbids
                the network.
        """
        url, _, self.model = name.partition("#")
        self.url = url.rstrip("/")
        host = _host(self.url)
        if not self.model or host is None:
            lacks = "is no URL" if host is None else "lacks the model"
            raise RequestError(
                f"the endpoint's name {lacks}", where=name, expected="URL#MODEL, such as http://host/v1#name"
            )
        if offline() and host not in _HERE:
            raise RequestError(
                "the network is forbidden (HF_HUB_OFFLINE)",
                where=name,
                mend="unset HF_HUB_OFFLINE, or use a local model",
            )

    def answers(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[str]:
        """One answer for each prompt, in their order.

        Raises:
            ServerAwayError: the server does not answer, after several tries.
            RequestError: it refuses the request, as for a wrong key or an unknown model, or the key can be none.
        """
        import httpx2

        key = _key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with httpx2.Client(headers=headers, timeout=_TIMEOUT) as client:
            return [self._answer(client, prompt, max_new_tokens) for prompt in prompts]

    def _answer(self, client: Any, prompt: list[Message], max_new_tokens: int) -> str:
        import httpx2

        body = {"model": self.model, "messages": prompt, "max_tokens": max_new_tokens, "temperature": 0}
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            try:
                reply = client.post(f"{self.url}/chat/completions", json=body)
            except httpx2.TransportError as error:
                trouble: str = type(error).__name__
            else:
                if reply.status_code not in _BUSY:
                    return self._content(reply)
                trouble = f"status {reply.status_code}"
                asked = reply.headers.get("retry-after", "")
                wait = min(float(asked), _LONGEST_WAIT) if asked.isdigit() else wait
            if left:
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        raise ServerAwayError(
            f"the endpoint does not answer ({trouble}, {_TRIES} tries)", where=self.url, mend=f"curl {self.url}/models"
        )

    def _content(self, reply: Any) -> str:
        """The answer's text; what a server says of a refusal is told, without the key that it may quote."""
        if reply.status_code != 200:
            secret = str(reply.request.headers.get("authorization", "")).removeprefix("Bearer ")
            said = reply.text[:300].replace(secret, "***") if secret else reply.text[:300]
            raise RequestError(
                f"the endpoint refuses the request: status {reply.status_code}: {' '.join(said.split())}",
                where=f"{self.url}#{self.model}",
                expected=f"a known model, and a key in {_KEYS[0]} where one is needed",
                mend=f"curl {self.url}/models",
            )
        try:
            content = reply.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise ServerAwayError(
                "the endpoint's answer is not one of an OpenAI-compatible server",
                where=self.url,
                expected='{"choices": [{"message": {"content": ...}}]}',
            ) from error
        return str(content or "")


def _host(url: str) -> str | None:
    """The host that a URL names; None where it is no URL."""
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.port != 0 and url.isprintable() and " " not in url else None
    except ValueError:  # a port that is no number, half a bracket
        return None


def _key() -> str:
    name = next((name for name in _KEYS if os.environ.get(name, "").strip()), "")
    key = os.environ[name].strip() if name else ""
    if not (key.isascii() and key.isprintable()):
        raise RequestError("the key has letters that no key has", where=name, expected="the key alone, on one line")
    return key
