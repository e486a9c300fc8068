"""Shapes: which columns hold the example, and how a record becomes a canonical row.

| shape | columns |
|---|---|
| alpaca | `instruction`, `output`; optional `input`, `history` (pairs), `system`, `tools` |
| prompt_completion | `prompt`, `completion` (or `question`, `answer`): texts, or lists of turns; optional as above |
| sharegpt | `conversations`: turns with `from` and `value`; optional `system`, `tools` |
| messages | `messages`: turns with `role` and `content`, as OpenAI writes them; optional `tools` |
| text | `text` |
| preference | `chosen` and `rejected`: texts, turns or conversations; the prompt as above, or what both begin with |
| | the same as transcripts ("Human: ... Assistant: ..."), as in hh-rlhf |
| | `preferred_output` and `non_preferred_output` with `input`, which holds `messages` and `tools`, as OpenAI has them |
| rated | as the ones with an answer, and `label` (or `kto_tag`): true or false |
| ranking | `answers`, and `ranks` where the best is not the first; the prompt as above |

Every shape may carry `category`, `group`, `task` and `time`. Texts are taken as they are: nothing is stripped or
normalised. The readers:

    layout, reason = recognise(record)            the shape of a file, from a sample of its records
    row = to_row(record, layout, file, line, doubts=warnings)
"""

from kamerton.data.shapes.convert import to_row
from kamerton.data.shapes.layout import SHAPES, Layout, Shape, layout_for
from kamerton.data.shapes.recognise import recognise, unused_columns
from kamerton.data.shapes.record import to_record

__all__ = ["SHAPES", "Layout", "Shape", "layout_for", "recognise", "to_record", "to_row", "unused_columns"]
