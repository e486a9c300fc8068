"""The report of a check: it adds up, it names places, and thresholds fail it."""

import json
from pathlib import Path

from kamerton.data.check import report
from kamerton.data.cleaning import CleanResult, clean
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.reading import read_sources
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult, split
from kamerton.ground.digests import set_digest
from kamerton.recipe import CheckSection, CleanSection, SplitSection
from kamerton.records.data import DataReport


def chat_row(prompt: str, answer: str, line: int = 1, **more: str) -> Row:
    turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": answer})
    return Row(messages=turns, file="f", line=line, **more)  # type: ignore[arg-type]


QUESTIONS = ["Kiedy otwarty jest urząd gminy", "Jak zgłosić dziurę w drodze", "Ile kosztuje wpis do ewidencji"]


def checked(tmp_path: Path, lines: list[str], **thresholds: float) -> DataReport:
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    read = read_sources(["a.jsonl"], root=tmp_path)
    cleaned = clean(read.rows, CleanSection())
    clusters = near_duplicate_clusters(cleaned.rows, 0.7)
    parts = split(cleaned.rows, clusters, SplitSection(test=0.4, validation=0.2))
    return report(read, cleaned, clusters, parts, CheckSection(**thresholds))  # type: ignore[arg-type]


def lines_of(count: int) -> list[str]:
    return [
        json.dumps({"prompt": f"{QUESTIONS[n % 3]} {n}", "completion": "x" * (n + 1), "category": QUESTIONS[n % 3][:4]})
        for n in range(count)
    ]


def test_a_good_set_passes_and_adds_up(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": str(n), "completion": "x" * (n + 1), "category": str(n % 2)}) for n in range(100)]
    found = checked(tmp_path, lines)
    assert (found.passed, found.reasons, found.findings) == (True, [], [])
    assert (found.rows_read, found.rows_ok, found.rows_used) == (100, 100, 100)
    assert sum(found.splits.values()) == 100
    assert list(found.splits) == ["train", "validation", "test"]
    assert sum(sum(counts.values()) for counts in found.categories.values()) == 100
    assert found.answer_chars is not None
    assert found.answer_chars.model_dump() == {"min": 1, "median": 50, "p95": 95, "max": 100}
    rows = read_sources(["a.jsonl"], root=tmp_path).rows
    assert found.fingerprint == set_digest(row.row_hash for row in rows)


def test_the_report_is_json_with_places_and_survives_a_round_trip(tmp_path: Path) -> None:
    found = checked(tmp_path, ["{", *lines_of(5), lines_of(5)[0]])
    document = json.loads(found.model_dump_json())
    assert document["rows_read"] == 7
    assert document["rows_ok"] == 6
    assert {"file", "line", "kind", "message"} <= document["findings"][0].keys()
    assert [(finding.line, finding.kind) for finding in found.findings][:2] == [
        (1, "broken_json"),
        (7, "exact_duplicate"),
    ]
    assert (found.duplicate_clusters.exact, found.duplicate_clusters.exact_rows) == (1, 2)
    found.write(tmp_path / "report.json")
    assert DataReport.read(tmp_path / "report.json") == found


def test_thresholds_fail_with_a_reason_each(tmp_path: Path) -> None:
    found = checked(tmp_path, ["{", *lines_of(6)])
    assert not found.passed
    assert [reason.partition(" ")[0] for reason in found.reasons] == ["1", "the", "the"]
    assert "max_bad_rows allows 0.00%" in found.reasons[0]
    assert "min_train_rows is 20" in found.reasons[1]
    assert "min_test_rows is 20" in found.reasons[2]
    loose = checked(tmp_path, ["{", *lines_of(6)], max_bad_rows=0.2, min_train_rows=1, min_test_rows=0)
    assert loose.reasons == [] or "train" in loose.reasons[0]


def test_a_file_without_a_readable_row_fails_whatever_the_thresholds(tmp_path: Path) -> None:
    found = checked(tmp_path, ["", ""], max_bad_rows=0.99, min_train_rows=1, min_test_rows=0)
    assert "a.jsonl: no row could be read" in found.reasons
    assert found.answer_chars is None
    assert not found.passed


def test_a_cluster_that_swallows_the_set_is_a_warning(tmp_path: Path) -> None:
    form = "Proszę o wydanie zaświadczenia o niezaleganiu w podatkach lokalnych za rok bieżący dla działki numer"
    lines = [json.dumps({"prompt": f"{form} {n}", "completion": str(n)}) for n in range(30)]
    found = checked(tmp_path, lines)
    assert [(finding.kind, finding.line) for finding in found.findings] == [("big_cluster", 1)]
    assert (found.duplicate_clusters.near, found.duplicate_clusters.near_rows) == (1, 30)
    assert 30 in found.splits.values()


def test_an_empty_split_reports_no_lengths() -> None:
    read = read_sources([])
    found = report(read, CleanResult([], []), [], SplitResult([], [], []), CheckSection(min_test_rows=0))
    assert (found.answer_chars, found.rows_used) == (None, 0)
