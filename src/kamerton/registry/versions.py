"""Model versions: MLflow's registry knows their names, numbers and aliases; the workspace keeps their files.

The files lie under `artifacts/models/NAME/ADDRESS/`, where the address is the digest of the names and contents of the
model's files: `model/` holds the files, `evidence/RUN_ID/` the records. The run folder may go. MLflow holds the address
and the SHA-256 of each file as tags, so that a changed file is found whoever changed it.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from kamerton.ground.digests import canonical_json, digest, file_digest
from kamerton.ground.errors import RequestError, ServerAwayError, StorageError
from kamerton.ground.files import confined, storage_errors, swap_folder
from kamerton.ground.locks import held
from kamerton.ground.settings import Workspace
from kamerton.records import RunRecord
from kamerton.records.base import Part
from kamerton.registry.aliases import Alias, AliasHistory, AliasMove
from kamerton.registry.evidence import Evidence

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["ModelVersion", "Registry"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RUN_TAG = "kamerton.run_id"
"""On a version here and on a run where runs are followed: it links the two."""
_PAGE = 1000


class ModelVersion(Part):
    """One version of a registered model."""

    name: str
    version: int
    aliases: list[str]
    run_id: str
    model_sha256: str
    """SHA-256 of the weights file."""
    files: dict[str, str]
    """SHA-256 of each file of the model."""
    created: str
    """UTC, ISO 8601."""
    source: Path
    """Folder of the model's files."""

    @property
    def evidence(self) -> Evidence:
        """The records that speak for this version."""
        return Evidence(self.source.parent / "evidence" / self.run_id)


class Registry:
    """The registered models of a workspace."""

    def __init__(self, workspace: Workspace, client: MlflowClient) -> None:
        self.workspace = workspace
        self._client = client

    def register(self, name: str, run: RunRecord, source: Path, records: Iterable[Path] = ()) -> ModelVersion:
        """Copy a run's model in, make it a version, call it `candidate`. The same run twice is one version.

        Args:
            name: of the registered model; normally the recipe's.
            run: the run's record; its digests must be those of the files.
            source: the run's model folder.
            records: JSON records to keep as evidence, `record.json` among them.

        Raises:
            StorageError: a file is missing or is not the one that the run made.
            ServerAwayError: the registry does not answer.
        """
        with self._held(name):
            known = self._versions(name) if self._exists(name) else []
            version = next((version for version in known if version.run_id == run.run_id), None)
            if version is not None and version.files != run.result.files:
                raise StorageError(
                    f"the run {run.run_id} is registered as version {version.version} with other files",
                    where=str(source),
                    mend="kamerton registry list",
                )
            folder = self._folder(name, run.result.files)
            _copy_model(source, folder / "model", run.result.files)
            Evidence(folder / "evidence" / run.run_id).add(records)
            number = version.version if version else self._create(name, run)
            if all(number >= other.version for other in known):
                self.move(AliasMove(alias="candidate", action="register", before=None, after=number), name)
            return self.show(name, f"@{number}")

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """The versions of one model, or of all, by name and number.

        Raises:
            RequestError: no such model.
            ServerAwayError: the registry does not answer.
        """
        if name is not None and not self._exists(name):
            raise self._unknown(name)
        names = [name] if name is not None else self._names()
        return [version for each in names for version in self._versions(each)]

    def show(self, name: str, ref: str) -> ModelVersion:
        """The version at `@ALIAS` or `@NUMBER`, without looking at its files.

        Raises:
            RequestError: no such model, alias or version; it names those that are there.
            ServerAwayError: the registry does not answer.
        """
        versions = self.versions(name)
        wanted = ref.removeprefix("@")
        for version in versions:
            if wanted in version.aliases or wanted == str(version.version):
                return version
        there = [f"{name}@{alias}" for version in versions for alias in version.aliases]
        there += [f"{name}@{version.version}" for version in versions]
        raise RequestError(
            f"the model {name} has no version {wanted or '(none given)'}",
            where=f"{name}@{wanted}",
            expected=", ".join(there) or "a version of this workspace",
            mend="kamerton registry list",
        )

    def resolve(self, reference: str) -> ModelVersion:
        """The version at `NAME@ALIAS` or `NAME@NUMBER`, every file of it verified.

        Raises:
            RequestError: not such a reference, or no such version.
            StorageError: a file of the model is missing or was changed; it is named.
            ServerAwayError: the registry does not answer.
        """
        name, sign, ref = reference.partition("@")
        if not sign or not ref:
            raise RequestError("this names no model version", where=reference, expected="NAME@ALIAS or NAME@NUMBER")
        version = self.show(name, ref)
        _verify_files(version)
        return version

    def history(self, name: str) -> AliasHistory:
        """How the aliases of a model moved."""
        return AliasHistory(self._root(name) / "aliases.jsonl")

    def holder(self, name: str, alias: str) -> int | None:
        """The version that has the alias; None for none."""
        self._check_alias(alias)
        if not self._exists(name):
            raise self._unknown(name)
        return next((version.version for version in self._versions(name) if alias in version.aliases), None)

    def move(self, move: AliasMove, name: str) -> AliasMove:
        """Move an alias and write it down; `before` is filled in. Whether it may move is asked in `promote`.

        Does nothing where the alias is already there and the history knows it.
        """
        history, before = self.history(name), self.holder(name, move.alias)
        stack = history.stack(move.alias)
        if before is not None and stack[-1:] != [before]:
            known = stack[-1] if stack else None
            history.append(AliasMove(alias=move.alias, action="found", before=known, after=before))
        done = move.model_copy(update={"before": before})
        if before == move.after:
            return done
        with self._asking():
            self._client.set_registered_model_alias(name, move.alias, str(move.after))
        history.append(done)
        return done

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Let nobody else of this workspace register or move aliases of this model meanwhile."""
        if not self._exists(name):
            raise self._unknown(name)
        with self._held(name):
            yield

    # -- inside ------------------------------------------------------------------------------------------------------
    def _root(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise RequestError("not a name of a model", where=name, expected="letters, digits, dot, dash, underscore")
        return self.workspace.artifacts / "models" / name

    def _folder(self, name: str, files: dict[str, str]) -> Path:
        return self._root(name) / digest(files)[:16]

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with held(self._root(name) / "lock"):
            yield

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise ServerAwayError(
                f"the model registry refuses or does not answer: {str(error).splitlines()[0][:300]}",
                where="MLFLOW_TRACKING_URI",
                mend="start the server, or unset MLFLOW_TRACKING_URI to use the workspace's own database",
            ) from error

    def _exists(self, name: str) -> bool:
        from mlflow.exceptions import MlflowException

        self._root(name)
        with self._asking():
            try:
                self._client.get_registered_model(name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
        return True

    def _unknown(self, name: str) -> RequestError:
        names = ", ".join(self._names()) or "no model is registered yet"
        return RequestError("no such registered model", where=name, expected=names, mend="kamerton registry list")

    @staticmethod
    def _check_alias(alias: str) -> None:
        if alias not in get_args(Alias):
            raise RequestError("no such alias", where=alias, expected=", ".join(get_args(Alias)))

    def _names(self) -> list[str]:
        with self._asking():
            found = _all_pages(lambda token: self._client.search_registered_models(max_results=_PAGE, page_token=token))
        return sorted(model.name for model in found if _NAME.fullmatch(model.name))

    def _versions(self, name: str) -> list[ModelVersion]:
        """Kamerton's versions of a model, by number; MLflow may hold others, which are none of ours."""
        with self._asking():
            aliases = self._client.get_registered_model(name).aliases
            found = _all_pages(
                lambda token: self._client.search_model_versions(f"name='{name}'", max_results=_PAGE, page_token=token)
            )
        ours = [version for version in found if _RUN_TAG in version.tags]
        return [self._version(version, aliases) for version in sorted(ours, key=lambda version: int(version.version))]

    def _version(self, found: Any, aliases: dict[str, Any]) -> ModelVersion:
        number = int(found.version)
        files = json.loads(found.tags["kamerton.files"])
        return ModelVersion(
            name=found.name,
            version=number,
            aliases=sorted(alias for alias, holder in aliases.items() if int(holder) == number),
            run_id=found.tags[_RUN_TAG],
            model_sha256=found.tags["kamerton.model_sha256"],
            files=files,
            created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
            source=self._folder(found.name, files) / "model",
        )

    def _create(self, name: str, run: RunRecord) -> int:
        """A version in MLflow. Its source is no path of this machine: servers refuse those, and workspaces move."""
        tags = {
            _RUN_TAG: run.run_id,
            "kamerton.model_sha256": run.result.model_sha256,
            "kamerton.files": canonical_json(run.result.files),
        }
        with self._asking():
            if not self._exists(name):
                self._client.create_registered_model(name)
            created = self._client.create_model_version(
                name,
                source=f"kamerton:/{name}/{self._folder(name, run.result.files).name}",
                run_id=self._tracked_run(run.run_id),
                tags=tags,
                await_creation_for=0,
            )
        return int(created.version)

    def _tracked_run(self, run_id: str) -> str | None:
        """MLflow's own id of a followed run; None where the follower is behind."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        found = self._client.search_runs(experiments, f"tags.`{_RUN_TAG}` = '{run_id}'", max_results=1)
        return str(found[0].info.run_id) if found else None


def _all_pages(page: Any) -> list[Any]:
    items, token = [], None
    while True:
        found = page(token)
        items.extend(found)
        token = found.token
        if not token:
            return items


def _copy_model(source: Path, target: Path, files: dict[str, str]) -> None:
    """Copy the files of the record, verified on the way; a whole and healthy copy is left as it is."""
    if target.exists() and not _damage(target, files):
        return
    if damage := _damage(source, files):
        raise StorageError(damage[1], where=str(damage[0]), mend=f"kamerton rebuild {source.parent.name} --restore")
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        ready = Path(tempfile.mkdtemp(dir=target.parent, prefix=".model."))
        try:
            for name in files:
                path = confined(ready, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(confined(source, name), path)
            if damage := _damage(ready, files):
                raise StorageError("the copy differs from its source", where=str(damage[0]))
            ready.chmod(0o755)
            swap_folder(ready, target)
        finally:
            shutil.rmtree(ready, ignore_errors=True)


def _verify_files(version: ModelVersion) -> None:
    if damage := _damage(version.source, version.files):
        raise StorageError(
            damage[1],
            where=str(damage[0]),
            expected=f"the files of {version.name}@{version.version} as they were registered",
            mend=f"kamerton registry add {version.run_id}",
        )


def _damage(folder: Path, files: dict[str, str]) -> tuple[Path, str] | None:
    """The first file that is not as it should be, and what is wrong with it."""
    for name, expected in sorted(files.items()):
        path = confined(folder, name)
        if not path.is_file():
            return path, "a file of the model is missing"
        if file_digest(path) != expected:
            return path, "a file of the model was changed: its SHA-256 is another one"
    return None
