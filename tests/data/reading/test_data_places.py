"""Sources: what files, folders, globs, entries and URLs mean, and what is said when they cannot be had."""

import gzip
import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kamerton.data.reading import ReadResult, read_sources
from kamerton.ground.errors import DataError, KamertonError, MissingExtraError, ServerAwayError, StorageError
from kamerton.recipe import Source

LINE = '{"instruction": "a", "output": "b"}\n'


def names(result: ReadResult) -> list[str]:
    return [source.file for source in result.sources]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jsonl", "deep/a.jsonl", "deep/deeper/c.csv", ".hidden/d.jsonl", "e.pdf", "README.md", "x.txt.gz"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("instruction,output\na,b\n" if name.endswith(".csv") else LINE)
    (tmp_path / "set" / "x.txt.gz").write_bytes(gzip.compress(b"a text\n"))
    return tmp_path


def test_a_folder_gives_its_readable_files_and_names_the_others(folder: Path) -> None:
    result = read_sources(["set"], root=folder)
    assert names(result) == ["set/b.jsonl", "set/deep/a.jsonl", "set/deep/deeper/c.csv", "set/x.txt.gz"]
    assert len(result.rows) == 4
    assert [(finding.file, finding.kind, finding.severity) for finding in result.findings] == [
        ("set", "not_read", "warning")
    ]
    assert "set/README.md, set/e.pdf" in result.findings[0].message


@pytest.mark.parametrize("form", ["file://{}", "{}", "local://{}"])
def test_a_file_url_is_the_file(folder: Path, form: str) -> None:
    odd = folder / "zażółć gęślą [1].jsonl"
    odd.write_text(LINE)
    path = odd.as_posix() if form == "{}" else quote(odd.as_posix())
    assert names(read_sources([form.format(path)], root=folder)) == [odd.name]


def test_a_glob_may_match_what_cannot_be_read(folder: Path) -> None:
    result = read_sources(["set/*"], root=folder)
    assert names(result) == ["set/b.jsonl", "set/x.txt.gz"]
    assert [finding.kind for finding in result.findings] == ["not_read"]
    with pytest.raises(DataError, match="nothing here can be read"):
        read_sources(["set/*.pdf"], root=folder)


@pytest.mark.parametrize(
    "source", ["", " ", "a\x00b.jsonl", "x" * 5000 + ".jsonl", "no/such/folder/a.csv", "a.jsonl.gz"]
)
def test_what_is_not_there_is_a_sentence(tmp_path: Path, source: str) -> None:
    with pytest.raises((DataError, StorageError)) as error:
        read_sources([source], root=tmp_path)
    assert error.value.expected


def test_a_name_that_is_not_utf8_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with open(bytes(tmp_path / "set") + b"/\xb9.jsonl", "w") as file:
        file.write(LINE)
    assert names(read_sources(["set"], root=tmp_path)) == ["set/\ufffd.jsonl"]


def test_max_rows_counts_over_the_files_of_a_source(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jsonl").write_text(LINE * 3)
    result = read_sources([Source(source="*.jsonl", max_rows=5)], root=tmp_path)
    assert [(source.file, source.rows_read) for source in result.sources] == [("a.jsonl", 3), ("b.jsonl", 2)]


def test_a_source_brings_its_own_options(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pytanie;odp;task\nIle?;Nic.;\nKto?;Ja.;own\n")
    source = Source(
        source="a.csv",
        shape="prompt_completion",
        columns={"prompt": "pytanie", "answer": "odp"},
        task="urzędowe",
        prefix="Odpowiedz: ",
    )
    rows = read_sources([source], root=tmp_path, shape="text").rows
    assert [(row.prompt[-1]["content"], row.answer, row.task) for row in rows] == [
        ("Odpowiedz: Ile?", "Nic.", "urzędowe"),
        ("Odpowiedz: Kto?", "Ja.", "own"),
    ]


def test_a_prefix_stands_before_the_last_question_or_the_text(tmp_path: Path) -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    messages = [{"role": role, "content": content} for role, content in turns]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}))
    (tmp_path / "b.txt").write_text("text")
    sources = [Source(source=name, prefix="P ") for name in ("a.jsonl", "b.txt")]
    first, second = read_sources(sources, root=tmp_path).rows
    assert [message["content"] for message in first.messages or ()] == ["a", "b", "P c", "d"]
    assert second.text == "P text"


def test_an_entry_of_a_dataset_info(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    entry = {"file_name": "a.json", "columns": {"prompt": "q", "response": "r"}}
    info = {"plain": entry, "some": entry | {"num_samples": 3}, "more": entry | {"num_samples": 7}}
    (tmp_path / "sets/dataset_info.json").write_text(json.dumps(info))
    (tmp_path / "sets/a.json").write_text(json.dumps([{"q": str(n), "r": "x"} for n in range(5)]))

    def prompts(name: str) -> list[str]:
        result = read_sources([f"sets/dataset_info.json:{name}"], root=tmp_path)
        assert names(result) == ["sets/a.json"]
        return [row.prompt[-1]["content"] for row in result.rows]

    assert prompts("plain") == ["0", "1", "2", "3", "4"]
    some = prompts("some")
    assert len(some) == 3
    assert some == sorted(set(some))
    assert prompts("some") == some
    more = prompts("more")
    assert more[:5] == prompts("plain")
    assert len(more) == 7
    with pytest.raises(DataError):
        prompts("none")


def test_progress_is_told_up_to_the_last_byte(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINE * 100)
    told: list[tuple[str, int, int | None]] = []
    read_sources(["a.jsonl"], root=tmp_path, on_progress=lambda *step: told.append(step))
    size = len(LINE) * 100
    assert told[-1] == ("a.jsonl", size, size)


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_urls_of_a_file_system(memory: Any, tmp_path: Path) -> None:
    memory.pipe("/set/a.jsonl", LINE.encode())
    memory.pipe("/set/b.csv.gz", gzip.compress(b"instruction,output\nx,y\n"))
    memory.pipe("/set/notes.pdf", b"x")
    whole = read_sources(["memory://set"], root=tmp_path)
    assert names(whole) == ["memory:///set/a.jsonl", "memory:///set/b.csv.gz"]
    assert [finding.kind for finding in whole.findings] == ["not_read"]
    assert names(read_sources(["memory://set/*.gz"])) == ["memory:///set/b.csv.gz"]
    assert [row.answer for row in read_sources(["memory://set/b.csv.gz", "memory://set/a.jsonl"]).rows] == ["y", "b"]
    for source in ("memory://set/no.jsonl", "memory://none/*.csv", "memory://set/notes.pdf"):
        with pytest.raises(DataError):
            read_sources([source])


def test_a_parquet_file_elsewhere_is_copied_first(memory: Any) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"text": ["a", "b"]}), buffer)
    memory.pipe("/a.parquet", buffer.getvalue())
    result = read_sources(["memory://a.parquet"])
    assert [row.text for row in result.rows] == ["a", "b"]
    assert result.sources[0].sha256 != ""


@pytest.mark.parametrize(
    ("source", "kind", "what"),
    [
        ("no-such-thing://x/a.jsonl", DataError, "no file system"),
        ("zip://a.jsonl::memory://b.zip", DataError, "chain"),
        ("s3://bucket/a.jsonl", ServerAwayError, "HF_HUB_OFFLINE"),
        ("https://example.org/a.jsonl", ServerAwayError, "HF_HUB_OFFLINE"),
        ("hf://models/a/b", DataError, "no hub id"),
    ],
)
def test_a_url_that_cannot_be_had(source: str, kind: type[KamertonError], what: str) -> None:
    with pytest.raises(kind, match=what):
        read_sources([source])


def test_the_missing_package_of_a_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(MissingExtraError) as error:
        read_sources(["gs://bucket/a.jsonl"])
    assert error.value.mend == "pip install 'kamerton[gcs]'"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        body = LINE.encode() * 50_000
        if self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1000])
            return
        code = 200 if self.path.startswith("/a.jsonl") else 403 if self.path.startswith("/secret") else 404
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if code == 200 else 0))
        self.end_headers()
        if code == 200 and self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("aiohttp")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_of_a_web_server(web: str) -> None:
    result = read_sources([f"{web}/a.jsonl?token=secret"])
    assert len(result.rows) == 50_000
    assert names(result) == [f"{web}/a.jsonl"]  # no secret reaches a record


@pytest.mark.parametrize(
    ("path", "kind"), [("/no.jsonl", DataError), ("/secret.jsonl", StorageError), ("/cut.jsonl", ServerAwayError)]
)
def test_a_web_server_that_says_no(web: str, path: str, kind: type[KamertonError]) -> None:
    with pytest.raises(kind):
        read_sources([web + path])


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(ServerAwayError, match="cannot be fetched"):
        read_sources(["http://127.0.0.1:9/a.jsonl"])


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="rows", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_object(Bucket="rows", Key="set/a.jsonl", Body=LINE.encode() * 3)
    client.put_object(Bucket="rows", Key="set/b.csv", Body="instruction,output\nżółw,gęś\n".encode("cp1250"))
    yield "s3://rows/set"
    server.stop()


def test_files_of_an_s3_server(bucket: str) -> None:
    result = read_sources([bucket, f"{bucket}/*.csv", f"{bucket}/a.jsonl"])
    assert [source.rows_ok for source in result.sources] == [3, 1, 1, 3]
    assert result.rows[3].answer == "gęś"
    assert names(result)[0] == f"{bucket}/a.jsonl"
    for source in (f"{bucket}/no.jsonl", "s3://nobody/a.jsonl", f"{bucket}/*.txt"):
        with pytest.raises(KamertonError):
            read_sources([source])


@pytest.mark.parametrize("name", ["dataset_info.json", "below/dataset_info.json"])
def test_a_description_of_data_sets_asks_for_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"mine": {"file_name": "a.json"}}')
    with pytest.raises(DataError, match="holds no rows") as told:
        read_sources([name], root=tmp_path)
    assert told.value.expected == f"{name}:NAME"
