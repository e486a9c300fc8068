"""The client of an OpenAI-compatible endpoint, against a server in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from kamerton.ground.errors import RequestError, ServerAwayError
from kamerton.models import endpoint as module
from kamerton.models.endpoint import Endpoint, is_endpoint


class Server(BaseHTTPRequestHandler):
    """Gives the replies that a test has laid out, and keeps what it was asked."""

    replies: ClassVar[list[tuple[int, Any]]] = []
    asked: ClassVar[list[dict[str, Any]]] = []
    headers_seen: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append({"path": self.path, **json.loads(body)})
        self.headers_seen.append(self.headers.get("Authorization", ""))
        status, reply = self.replies.pop(0)
        data = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(module, "_FIRST_WAIT", 0.01)
    for name in module._KEYS:
        monkeypatch.delenv(name, raising=False)
    Server.replies, Server.asked, Server.headers_seen = [], [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def said(text: str | None) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def ask(url: str, *texts: str) -> list[str]:
    return Endpoint(f"{url}#tiny").answers([[{"role": "user", "content": text}] for text in texts], 7)


def test_answers_come_in_the_order_of_the_prompts(url: str) -> None:
    Server.replies[:] = [(200, said("raz")), (200, said("dwa"))]
    assert ask(url, "a", "b") == ["raz", "dwa"]
    assert Server.asked[0] == {
        "path": "/v1/chat/completions",
        "model": "tiny",
        "messages": [{"role": "user", "content": "a"}],
        "max_tokens": 7,
        "temperature": 0,
    }
    assert Server.headers_seen == ["", ""]


def test_an_empty_answer_is_an_empty_text(url: str) -> None:
    Server.replies[:] = [(200, said(None))]
    assert ask(url, "a") == [""]


def test_a_busy_server_is_asked_again(url: str) -> None:
    Server.replies[:] = [(429, "slow down"), (503, "later"), (200, said("już"))]
    assert ask(url, "a") == ["już"]


def test_a_server_that_stays_busy_is_given_up(url: str) -> None:
    Server.replies[:] = [(503, "later")] * 9
    with pytest.raises(ServerAwayError, match="status 503, 4 tries"):
        ask(url, "a")
    assert len(Server.asked) == 4


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT", 0.01)
    with pytest.raises(ServerAwayError, match="does not answer"):
        ask("http://127.0.0.1:9/v1", "a")


def test_a_refusal_is_told_without_the_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMERTON_API_KEY", "very-secret-key")
    Server.replies[:] = [(401, "the key very-secret-key is wrong")]
    with pytest.raises(RequestError, match="status 401: the key") as caught:
        ask(url, "a")
    assert "very-secret-key" not in str(caught.value)
    assert Server.headers_seen == ["Bearer very-secret-key"]


@pytest.mark.parametrize("reply", ["<html>", "[]", "{}", '{"choices": []}', '{"choices": [{"message": null}]}'])
def test_another_sort_of_server_is_told(url: str, reply: str) -> None:
    Server.replies[:] = [(200, reply)]
    with pytest.raises(ServerAwayError, match="not one of an OpenAI-compatible server"):
        ask(url, "a")


def test_a_name_without_a_model_is_refused() -> None:
    with pytest.raises(RequestError, match="lacks the model"):
        Endpoint("http://127.0.0.1:8000/v1")


@pytest.mark.parametrize(
    "url", ["http://", "http://[bad", "http://a b/v1", "http://host:x/v1", "http://a\x00b", "https:///v1"]
)
def test_a_name_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(RequestError, match="is no URL"):
        Endpoint(f"{url}#tiny")


def test_a_key_is_taken_without_blanks_around_it_and_refused_where_it_is_none(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAMERTON_API_KEY", "  ")
    monkeypatch.setenv("OPENAI_API_KEY", "abc\n")
    Server.replies = [(200, said("tak"))]
    assert ask(url, "Pytanie?") == ["tak"]
    assert Server.headers_seen == ["Bearer abc"]
    for key in ("klucz-ż", "a\nb"):
        monkeypatch.setenv("KAMERTON_API_KEY", key)
        with pytest.raises(RequestError, match="letters that no key has") as error:
            ask(url, "Pytanie?")
        assert error.value.where == "KAMERTON_API_KEY"
        assert key not in str(error.value)


def test_offline_reaches_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Endpoint("http://localhost:8000/v1#m")
    for host in ("example.com", "localhost.example.com", "127.0.0.1.example.com", "u@127.0.0.1.example.com"):
        with pytest.raises(RequestError, match="network is forbidden"):
            Endpoint(f"https://{host}/v1#m")


def test_an_endpoint_is_known_by_its_name() -> None:
    assert is_endpoint("https://host/v1#m")
    assert not is_endpoint("owner/name")
