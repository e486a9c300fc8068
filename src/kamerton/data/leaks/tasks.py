"""Items of lm-eval tasks, read from their YAML files without lm-eval.

Only what says where the texts are is used: the data files, the split that is scored, and the templates of question
and answer. Of a template only what is taken from the data counts: `Question: {{question}}` adds one word to every
item, and would hide that a training row asks the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kamerton.chat.messages import Message
from kamerton.data.leaks.templates import rendered
from kamerton.data.reading.files import File, LocalFile
from kamerton.data.reading.formats import COLUMN_READERS, TEXT_READERS, format_of
from kamerton.data.reading.parsed import Parsed
from kamerton.data.reading.places import find
from kamerton.data.reading.stream import BrokenStreamError, Stream, inflated
from kamerton.data.reading.text import Text
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

__all__ = ["is_task", "read_task"]

_LOCAL = ("json", "csv", "parquet", "arrow", "text")
"""Values of `dataset_path` that stand for files."""
_SPLITS = ("test_split", "validation_split", "training_split")
"""The first one that a task has is scored."""


def is_task(source: str) -> bool:
    """Whether a source is named as a task file."""
    return source.lower().endswith((".yaml", ".yml"))


def read_task(path: Path, root: Path) -> list[Row]:
    """The items of a task: question and answer, or the text alone where the task has no question.

    Paths of data files are taken from `root`, or else from the folder of the task.

    Raises:
        DataError: no task file, a task whose data are on the hub or made by code, a template that does not fit the
            data, or an item that cannot be read.
    """
    task = _Task(path, _loaded(path, ()))
    return [task.row(file, line, record) for file in task.files(root) for line, record in _records(file)]


@dataclass(frozen=True)
class _Task:
    path: Path
    settings: Mapping[str, Any]

    def files(self, root: Path) -> list[File]:
        """The data files of the split that is scored."""
        given = (self.settings.get("dataset_kwargs") or {}).get("data_files")
        if self.settings.get("dataset_path") not in _LOCAL or not given:
            name = self.settings.get("dataset_path", "nothing")
            raise DataError(
                f"the data of this task are not in local files: dataset_path is {name}",
                where=str(self.path),
                expected="dataset_path: json (or csv, parquet, arrow) with dataset_kwargs.data_files",
                mend=f"download the set and name its files: --against FILE, or --against {name}",
            )
        if isinstance(given, dict):
            split = next((self.settings[name] for name in _SPLITS if self.settings.get(name)), "test")
            if split not in given:
                raise self._error(f"no data_files of the split {split}", ", ".join(map(str, given)))
            given = given[split]
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._error("data_files is no name and no list of names", "data_files: {test: test.jsonl}")
        return [file for name in names for file in self._found(name, root)]

    def _found(self, name: str, root: Path) -> list[File]:
        try:
            return find(name, root).files
        except DataError:
            return find(name, self.path.parent).files

    def row(self, file: File, line: int, record: Any) -> Row:
        place = f"{file.name}:{line}"
        if not isinstance(record, dict):
            raise DataError("the item is no object", where=place, expected="columns by name")
        question = self._text("doc_to_text", record, place)
        answer = self._answer(record, place)
        if not question.strip():
            return Row(text=answer, file=file.name, line=line)
        user: Message = {"role": "user", "content": question.strip()}
        assistant: Message = {"role": "assistant", "content": answer.strip()}
        return Row(messages=(user, assistant), file=file.name, line=line)

    def _answer(self, record: dict[str, Any], place: str) -> str:
        choices = self._choices(record, place)
        target = self.settings.get("doc_to_target")
        if isinstance(target, int) and not isinstance(target, bool):
            found: Any = target
        elif isinstance(target, str) and target in record:
            found = record[target]
        else:
            found = self._text("doc_to_target", record, place)
        if isinstance(found, list):
            found = found[0] if found else ""
        if choices and str(found).strip().isdigit():
            number = int(str(found))
            if number >= len(choices):
                raise self._error(f"choice {number} of {len(choices)} at {place}", "doc_to_target: the choice's number")
            return str(choices[number])
        return str(found)

    def _choices(self, record: dict[str, Any], place: str) -> list[Any]:
        given = self.settings.get("doc_to_choice")
        if isinstance(given, str):
            given = record[given] if given in record else self._listed(self._text("doc_to_choice", record, place))
        if isinstance(given, dict):
            given = list(given.values())
        return given if isinstance(given, list) else []

    def _listed(self, text: str) -> Any:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError) as error:
            raise self._error("doc_to_choice gives no list", "[first choice, second choice]") from error

    def _text(self, key: str, record: dict[str, Any], place: str) -> str:
        """What a template takes from a record; the column that it names."""
        template = self.settings.get(key, "")
        if isinstance(template, _Function) or not isinstance(template, str):
            made = f"code, {template.name}" if isinstance(template, _Function) else repr(template)
            raise self._error(f"{key} is made by {made}", "a template or the name of a column")
        if template in record:
            return str(record[template])
        literals = key == "doc_to_choice"
        return rendered(template, record, literals=literals, where=f"{self.path}, {key}, with {place}")

    def _error(self, what: str, expected: str) -> DataError:
        mend = "name the data files instead: --against FILE"
        return DataError(what, where=str(self.path), expected=expected, mend=mend)


@dataclass(frozen=True)
class _Function:
    """`!function module.name`: code, which is not run."""

    name: str


def _loaded(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The settings of a task file over those of the files that it includes."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: _Function(str(node.value)))
    if path.resolve() in seen:
        raise DataError("the task file includes itself", where=str(path))
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506  # a SafeLoader
    except FileNotFoundError as error:
        raise DataError("no such task file", where=str(path)) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"the task file cannot be read: {' '.join(str(error).split())}", where=str(path)) from error
    if not isinstance(found, dict) or isinstance(found.get("task"), list):
        raise DataError(
            "not a task of lm-eval",
            where=str(path),
            expected="dataset_path, doc_to_text, doc_to_target",
            mend="of a group, name the task files one by one",
        )
    if isinstance(found.get("process_docs"), _Function):
        raise DataError(
            f"the items are made by code, {found['process_docs'].name}, which is not run",
            where=str(path),
            mend="write the items to a file and name it: --against FILE",
        )
    given = found.pop("include", None)
    included: dict[str, Any] = {}
    for name in [given] if isinstance(given, str) else given or []:
        included |= _loaded(path.parent / str(name), (*seen, path.resolve()))
    return included | found


def _records(file: File) -> Iterator[tuple[int, Any]]:
    """The records of a file with their lines; one that cannot be read stops."""
    for item in _parsed(file):
        if isinstance(item, Finding) and item.severity == "error":
            raise DataError(item.message, where=f"{item.file}:{item.line}")
        if isinstance(item, tuple):
            yield item


def _parsed(file: File) -> Iterator[Parsed]:
    suffix, compression = format_of(file.name)
    if suffix in COLUMN_READERS:
        if not isinstance(file, LocalFile):
            raise DataError("a column file is read from this machine only", where=file.name, mend="download it")
        yield from COLUMN_READERS[suffix](file.path, file.name)
        return
    stream = Stream(file.open(), file.size(), None)
    try:
        text = Text(inflated(stream, compression), file.name)
        if text.trouble is not None:
            yield text.trouble
        yield from TEXT_READERS[suffix](text)
    except BrokenStreamError as error:
        raise DataError(f"the compressed file is damaged: {error}", where=file.name) from error
    finally:
        stream.close()
