"""The command-line reference says what the commands say."""

import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "cli_reference.py"


def test_the_reference_in_the_docs_is_what_the_commands_say():
    """A stale page sends people to options that are gone."""
    module = runpy.run_path(str(SCRIPT))

    assert module["PAGE"].read_text(encoding="utf-8") == module["reference"]()
