"""The room as a whole is cheap to import."""

import os
import subprocess
import sys


def test_importing_the_room_is_cheap() -> None:
    code = "import sys, kamerton.data; print([m for m in ('numpy','pyarrow','lance','torch') if m in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )
    assert output.stdout.strip() == "[]"
