"""The door: verbs, exit codes, help, and what happens when things go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kamerton.cli import check_verb, runs_verb
from kamerton.cli.main import VERBS, main
from kamerton.ground.errors import Interrupted, ServerAwayError, VerdictError
from tiny_project import kamerton

HELP = """
import contextlib, io, json, sys
from kamerton.cli.main import VERBS, main
said = {}
for verb in ["", *VERBS]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main([verb, "--help"] if verb else ["--help"])
        except SystemExit as end:
            assert not end.code
    said[verb] = out.getvalue()
heavy = {"torch", "transformers", "mlflow", "lance", "pyarrow", "numpy", "pydantic", "rich"}
print(json.dumps([said, sorted(heavy & set(sys.modules))]))
"""


def test_every_verb_explains_itself_without_loading_anything_heavy(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HELP], cwd=tmp_path, capture_output=True, text=True, check=True)
    said, heavy = json.loads(done.stdout)
    assert heavy == []
    assert list(said) == ["", *VERBS]
    for verb in VERBS:
        assert f"usage: kamerton {verb}" in said[verb]
        assert verb in said[""]
    assert not list(tmp_path.iterdir())


def test_every_leaf_takes_json() -> None:
    from kamerton.cli.main import build_parser

    verbs = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert list(verbs) == list(VERBS)
    for verb, parser in verbs.items():
        inner = [action.choices for action in parser._actions if action.dest == "action"]
        for leaf in inner[0].values() if inner else [parser]:
            assert "--json" in leaf.format_help(), verb


@pytest.mark.parametrize("command", [["-m", "kamerton"], ["-c", "from kamerton.cli.main import entry; entry()"]])
def test_it_starts_as_a_program(command: list[str], tmp_path: Path) -> None:
    words = [sys.executable, *command, "runs", "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (
        0,
        [],
        "no runs yet; kamerton train RECIPE makes one\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--resmue", "x"], "unrecognized arguments: --resmue"),
        (["data"], "required: ACTION"),
        (["data", "chekc"], "invalid choice: 'chekc'"),
        (["check"], "required: RECIPE"),
        (["compare"], "required: A"),
        (["train"], "give a recipe, or --resume RUN"),
        (["train", "a.yaml", "--resume", "last"], "give a recipe, or --resume RUN"),
        (["runs", "--last", "0"], "'0' is not a whole number from 1"),
        (["generate", "m", "--max-new-tokens", "-3"], "'-3' is not a whole number from 1"),
        (["registry", "promote", "m@1", "--to", "candidate"], "invalid choice: 'candidate'"),
        (["data", "read", "x.jsonl", "--shape", "round"], "invalid choice: 'round'"),
    ],
)
def test_a_wrong_command_is_refused_in_words_and_as_a_document(words: list[str], told: str, tmp_path: Path) -> None:
    plain = kamerton(tmp_path, *words)
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.startswith("error: ")
    assert told in plain.err
    assert "key=value" not in plain.err
    machine = kamerton(tmp_path, *words, "--json")
    assert machine.code == 2
    assert machine.document["error"] == "RequestError"
    assert told in machine.document["what"]
    assert not list(tmp_path.iterdir())


def test_without_a_verb_there_is_help_on_stderr(tmp_path: Path) -> None:
    done = kamerton(tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "First steps: kamerton demo" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--json", "nowhere.yaml", "training.epochs=1"],
        ["check", "nowhere.yaml", "--json", "training.epochs=1"],
        ["check", "nowhere.yaml", "training.epochs=1", "--json"],
    ],
)
def test_flags_may_stand_anywhere(words: list[str], tmp_path: Path) -> None:
    assert kamerton(tmp_path, *words).document["what"] == "no such recipe"


def test_no_flag_may_be_shortened(tmp_path: Path) -> None:
    """`--js` would print a document that nobody else takes for one."""
    assert kamerton(tmp_path, "runs", "--js").code == 2


@pytest.mark.parametrize(
    ("error", "code", "label"),
    [
        (VerdictError("it is worse", mend="more data"), 1, "no: it is worse\n  mend: more data\n"),
        (ServerAwayError("silent", where="hub"), 3, "error: hub: silent\n"),
        (Interrupted("stopped"), 130, "interrupted: stopped\n"),
        (KeyboardInterrupt(), 130, "interrupted: interrupted; nothing that was reported as saved is lost\n"),
        (
            ZeroDivisionError("by zero"),
            3,
            "error: inside Kamerton: ZeroDivisionError: by zero\n  mend: run again with --debug and report the"
            " traceback\n",
        ),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException, code: int, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(runs_verb, "run", fail)
    plain, machine = kamerton(tmp_path, "runs"), kamerton(tmp_path, "runs", "--json")
    assert (plain.code, plain.out, plain.err) == (code, "", label)
    assert (machine.code, machine.err) == (code, label)
    assert machine.document["error"]


def test_debug_shows_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = kamerton(tmp_path, "check", "nowhere.yaml", "--debug")
    assert told.code == 2
    assert "Traceback" in told.err

    def fail(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(check_verb, "run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["check", "x", "--debug"])
    assert "Traceback" not in kamerton(tmp_path, "check", "x").err


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    words = f"{sys.executable} -m kamerton schema | head -c 5; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0\n")
    assert done.stderr == ""


def test_ctrl_c_anywhere_is_130(tmp_path: Path) -> None:
    # A process started in the background of a script ignores the signal from the beginning.
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"import signal, os; {listen}; os.kill(os.getpid(), signal.SIGINT)"
    script = (
        f"from kamerton.cli import main, runs_verb\nrun = lambda *_: exec({code!r})\nruns_verb.run = run\nmain.entry()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "runs", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 128 + signal.SIGINT
    assert json.loads(done.stdout)["error"] == "Interrupted"


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("iso-8859-2", marks=pytest.mark.slow)])
def test_a_document_is_json_whatever_the_terminal_can_show(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "łąka.jsonl").write_text('{"text": "zażółć – 漢字"}\n', encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    words = [sys.executable, "-m", "kamerton", "data", "read", "łąka.jsonl"]
    done = subprocess.run([*words, "--json"], cwd=tmp_path, capture_output=True, env=environment, check=True)
    assert json.loads(done.stdout.decode(encoding))["rows"][0]["text"] == "zażółć – 漢字"
    plain = subprocess.run(words, cwd=tmp_path, capture_output=True, env=environment, check=True)
    assert b"1 of 1 rows" in plain.stdout


def test_a_file_name_that_is_no_text_does_not_break_the_document(tmp_path: Path) -> None:
    name = os.fsdecode(b"wie\xb3.jsonl")
    (tmp_path / name).write_text('{"text": "a"}\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "data", "read", name, "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sources"][0]["file"] == "wie\ufffd.jsonl"


def test_a_workspace_folder_named_as_a_library_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("raise SystemExit('the workspace was imported')\n")
    (tmp_path / "yaml.py").write_text("raise SystemExit('the workspace was imported')\n")
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "schema"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
