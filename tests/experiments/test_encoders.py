"""The table of encoders in the documentation is the one of the record."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "17_encoders" / "table.py"


def test_the_table_is_that_of_the_record():
    script = runpy.run_path(str(SCRIPT))
    assert script["table"]() in script["PAGE"].read_text("utf-8")
