"""The page of settings says what the settings say."""

import runpy
from pathlib import Path

import pytest

from sideman.live.control import osc_address
from sideman.live.settings import ACTIONS, SETTINGS

SCRIPT = Path(__file__).parents[2] / "scripts" / "live_settings.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_the_page_in_the_docs_is_what_the_settings_say(script):
    """A stale page sends people to settings that are gone."""
    assert script["PAGE"].read_text(encoding="utf-8") == script["page"]()


@pytest.mark.parametrize("name", [*SETTINGS, *ACTIONS])
def test_every_setting_and_every_action_has_one_line(script, name):
    """What may be turned can be looked up."""
    lines = script["page"]().splitlines()

    assert sum(f"| `{osc_address(name)}` |" in line for line in lines) == 1
