"""Hub ids: the cache without a network, a small hub over HTTP, and which files are a split."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kamerton.data.reading import ReadResult, read_sources
from kamerton.data.reading.hub import hub_id
from kamerton.ground.errors import DataError, KamertonError, ServerAwayError
from kamerton.ground.settings import offline

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROW = '{"instruction": "%s", "output": "b"}\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert offline()
    return tmp_path


def lay(cache: Path, files: dict[str, str], repo: str = "owner/name", reference: str = "main") -> None:
    """A data set in the cache, as the hub's library lays it."""
    folder = cache / f"datasets--{repo.replace('/', '--')}"
    for name, content in files.items():
        path = folder / "snapshots" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "refs" / reference).parent.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / reference).write_text(COMMIT)


def rows(names: Sequence[str]) -> dict[str, str]:
    return {name: ROW % name for name in names}


def read(source: str) -> list[str]:
    return prompts(read_sources([source]))


def prompts(result: ReadResult) -> list[str]:
    assert [finding for finding in result.findings if finding.severity == "error"] == []
    return [row.prompt[-1]["content"] for row in result.rows]


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (
            ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000-of-00001.jsonl"],
            "",
            2,
        ),
        (["data/train-00000-of-00001.jsonl", "data/dev.set-00000-of-00001.jsonl"], "dev.set", 1),
        (["train/a.jsonl", "train/b.jsonl", "valid/a.jsonl"], "", 2),
        (["train/a.jsonl", "my-valid/a.jsonl"], "validation", 1),
        (["my_train_set.jsonl", "dev.jsonl", "eval-2.jsonl"], "", 1),
        (["my_train_set.jsonl", "dev.jsonl", "eval-2.jsonl"], "validation", 1),
        (["my_train_set.jsonl", "dev.jsonl", "eval-2.jsonl"], "test", 1),
        (["trainer.jsonl", "restaurant.jsonl"], "", 2),
        (["a.jsonl", "b.json", "dataset_infos.json", ".hidden.jsonl", "__pycache__/c.jsonl", "code.py"], "", 2),
    ],
)
def test_splits_are_told_by_names(cache: Path, names: list[str], split: str, expected: int) -> None:
    lay(cache, rows(names))
    assert len(read("owner/name" + (f":default/{split}" if split else ""))) == expected


CARD = """---
license: mit
configs:
- config_name: pl
  default: true
  data_files:
  - split: train
    path: "pl/*.jsonl"
  - split: test
    path: [pl/held/a.jsonl]
- config_name: en
  data_dir: en
- config_name: all
  data_files: "**/*.jsonl"
---
# A set
"""
FILES = ["pl/a.jsonl", "pl/b.jsonl", "pl/held/a.jsonl", "en/train.jsonl", "en/test.jsonl"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("owner/name", ["pl/a.jsonl", "pl/b.jsonl"]),
        ("owner/name:pl", ["pl/a.jsonl", "pl/b.jsonl"]),
        ("owner/name:pl/test", ["pl/held/a.jsonl"]),
        ("owner/name:/test", ["pl/held/a.jsonl"]),
        ("owner/name:en", ["en/train.jsonl"]),
        ("owner/name:en/test", ["en/test.jsonl"]),
        ("owner/name:all", sorted(FILES)),
        ("owner/name@v1.0:en", ["en/train.jsonl"]),
        (f"owner/name@{COMMIT}:en", ["en/train.jsonl"]),
        ("hf://datasets/owner/name", ["pl/a.jsonl", "pl/b.jsonl"]),
        ("hf://datasets/owner/name@v1.0:en/test", ["en/test.jsonl"]),
    ],
)
def test_the_card_says_what_a_subset_is(cache: Path, source: str, expected: list[str]) -> None:
    lay(cache, rows(FILES) | {"README.md": CARD})
    lay(cache, {}, reference="v1.0")
    result = read_sources([source])
    assert prompts(result) == expected
    assert [report.file for report in result.sources] == [f"owner/name@{COMMIT[:12]}/{name}" for name in expected]


def test_a_folder_of_a_set_without_a_card(cache: Path) -> None:
    lay(cache, rows(["one/train.jsonl", "two/train.jsonl"]))
    assert read("hf://datasets/owner/name/two") == ["two/train.jsonl"]


def test_an_entry_may_name_a_set_of_the_hub(cache: Path, tmp_path: Path) -> None:
    lay(cache, rows(FILES) | {"README.md": CARD})
    entry = {"hf_hub_url": "owner/name", "subset": "en", "split": "test"}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"mine": entry}))
    assert prompts(read_sources(["dataset_info.json:mine"], root=tmp_path)) == ["en/test.jsonl"]


@pytest.mark.parametrize(
    ("source", "files", "kind", "what"),
    [
        ("owner/other", [], ServerAwayError, "HF_HUB_OFFLINE"),
        ("owner/name@../../x", ["a.jsonl"], KamertonError, ""),
        ("owner/name@v9", ["a.jsonl"], ServerAwayError, "cache"),
        ("owner/name:fr", FILES, DataError, "no subset 'fr'"),
        ("owner/name:pl/dev", FILES, DataError, "no split 'dev'"),
        ("owner/name", ["test.jsonl"], DataError, "no split 'train'"),
        ("owner/name", ["name.py"], DataError, "script, which is never run"),
        ("owner/name", ["picture.png"], DataError, "no data files"),
        ("owner/name", ["data/train-00000-of-00003.jsonl"], DataError, "2 of 3 pieces"),
    ],
)
def test_what_the_cache_does_not_have(
    cache: Path, source: str, files: list[str], kind: type[KamertonError], what: str
) -> None:
    if files:
        lay(cache, rows(files) | ({"README.md": CARD} if files == FILES else {}))
    with pytest.raises(kind, match=what or None) as error:
        read_sources([source])
    assert "owner/" in error.value.where


@pytest.mark.parametrize(
    "card",
    [
        "---\nconfigs: [\n---\n",
        "---\nconfigs:\n- data_files: 5\n---",
        "---\nconfigs:\n- {config_name: a}\n- {config_name: b}\n---",
    ],
)
def test_a_card_that_cannot_be_understood(cache: Path, card: str) -> None:
    lay(cache, rows(["a.jsonl"]) | {"README.md": card})
    with pytest.raises(DataError) as error:
        read_sources(["owner/name"])
    assert "owner/name" in error.value.where


@pytest.mark.parametrize(
    "card", ["", "no front matter", "---\n- a list\n---\n", "---\nconfigs: text\n---\n", "---\nlicense: mit\n---\n"]
)
def test_a_card_without_configs_says_nothing(cache: Path, card: str) -> None:
    lay(cache, rows(["a.jsonl"]) | {"README.md": card})
    assert read("owner/name") == ["a.jsonl"]


@pytest.mark.parametrize("source", ["data/train.jsonl", "a/b/c", "../a/b", "/a/b", "a", "a/b.csv", "a/b.json.gz"])
def test_a_path_is_no_hub_id(source: str) -> None:
    assert hub_id(source) is None


def test_a_local_file_comes_before_the_hub(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "name" / "a.jsonl").write_text(ROW % "local")
    assert prompts(read_sources(["owner/name"], root=tmp_path)) == ["local"]


def test_a_file_that_is_missing_is_not_looked_for_on_the_hub(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="no such file"):
        read_sources(["data/rows"], root=tmp_path)


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub as a data set needs."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if re.fullmatch(r"/api/datasets/owner/name(/revision/(main|[0-9a-f]{40}))?", path):
            siblings = [{"rfilename": name} for name in [*FILES, "README.md"]]
            return self._send(json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": siblings}).encode())
        found = re.fullmatch(rf"/datasets/owner/name/resolve/(?:main|{COMMIT})/(.+)", path)
        if found and found[1] in [*FILES, "README.md"]:
            content = CARD if found[1] == "README.md" else ROW % found[1]
            return self._send(content.encode(), etag=found[1].replace("/", "-"))
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _send(self, body: bytes, etag: str = "x") -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


_PROGRAM = """
import sys
from kamerton.data.reading import read_sources
from kamerton.ground.errors import KamertonError
for source in sys.argv[1:]:
    try:
        print(" ".join(row.prompt[-1]["content"] for row in read_sources([source]).rows))
    except KamertonError as error:
        print(type(error).__name__, error.what)
"""


@pytest.mark.slow
def test_a_hub_over_http_and_then_its_cache(tmp_path: Path, endpoint: str) -> None:
    # The hub's library reads its settings once, when it is imported: hence a process of its own.
    pytest.importorskip("huggingface_hub")

    def run(*sources: str, at: str, without_network: str) -> list[str]:
        settings = {"HF_ENDPOINT": at, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": without_network}
        command = [sys.executable, "-c", _PROGRAM, *sources]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    online = run("owner/name:pl/test", "owner/name", "owner/none", at=endpoint, without_network="0")
    assert online[:2] == ["pl/held/a.jsonl", "pl/a.jsonl pl/b.jsonl"]
    assert online[2].startswith("DataError the hub has no such data set")
    assert run("owner/name", at="http://127.0.0.1:9", without_network="1") == ["pl/a.jsonl pl/b.jsonl"]
    away = run("owner/name", at="http://127.0.0.1:9", without_network="0")
    assert away[0].startswith("ServerAwayError the hub does not answer")
