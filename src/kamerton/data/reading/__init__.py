"""Reading: bytes in, rows with their line out.

| module | does |
|---|---|
| `places` | a source as the user writes it, and the files that it means; `remote` for URLs, `hub` for hub ids |
| `stream` | the bytes of a file, hashed as they pass, and decompressed in blocks |
| `encodings`, `text` | blocks of lines in UTF-8, whatever the file was written in |
| `jsons`, `tables`, `plain`, `columnar` | the formats: records with their line, or findings |
| `intake`, `read` | records to rows, a bounded batch at a time |
"""

from kamerton.data.reading.read import Batch, Progress, ReadResult, iterate, read_sources

__all__ = ["Batch", "Progress", "ReadResult", "iterate", "read_sources"]
