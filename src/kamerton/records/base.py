"""What every record shares: frozen, versioned, written whole, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, write_text

__all__ = ["Part", "Record"]


class Part(BaseModel):
    """A piece of a record."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Record(Part):
    """A frozen, versioned JSON document; subclasses give `kind` a Literal type."""

    schema_version: int = 1
    """Raised when a field changes its meaning."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest(self.model_dump(mode="json"))

    def write(self, path: Path) -> None:
        """Write the record whole, as canonical JSON with one final newline."""
        write_text(path, canonical_json(self.model_dump(mode="json")) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record.

        Raises:
            StorageError: no such file, not a record of this kind, or one of another schema version.
        """
        try:
            with storage_errors(path):
                record = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise StorageError(f"no {cls.__name__} here", where=str(path)) from error
        except UnicodeDecodeError as error:
            raise StorageError(f"not a readable {cls.__name__}: not UTF-8", where=str(path)) from error
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in fault["loc"])
            what = f"{key}: {fault['msg']}" if key else fault["msg"]
            raise StorageError(f"not a readable {cls.__name__}: {what}", where=str(path)) from error
        known = cls.model_fields["schema_version"].default
        if record.schema_version != known:
            raise StorageError(
                f"this {cls.__name__} has schema version {record.schema_version}",
                where=str(path),
                expected=f"schema version {known}",
                mend="read it with the version of kamerton that wrote it",
            )
        return record
