"""What the page's types are made from is what the routes take."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_description_of_the_routes_is_up_to_date():
    """Else page and server part company without a word."""
    script = runpy.run_path(str(ROOT / "scripts" / "openapi"))
    assert script["OUT"].read_text(encoding="utf-8") == script["text"](), (
        "run make page-build: it writes openapi.json and the types of the page"
    )


def test_every_operation_has_a_name_of_its_own():
    """Generated types are called by it."""
    script = runpy.run_path(str(ROOT / "scripts" / "openapi"))
    paths = json.loads(script["text"]())["paths"]
    names = [item["operationId"] for path in paths.values() for item in path.values()]
    assert len(set(names)) == len(names)
