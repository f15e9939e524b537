"""What the generators of the documentation write is true, beyond being what the page holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from stage0.cli.main import cli
from stage0.rules import RULES
from stage0.server.settings import SETTINGS, Setting
from tests.asserting import nonempty
from tests.docs.generated import catalogue, default_of, settings
from tests.docs.markdown import codes, rows

ROOT_KEY = "a root key of the tests, long enough"


def _what_serve_says(folder: Path, **environment: str) -> str:
    """What `stage0 serve` ends with, on a database that there is not, so that it never begins to serve."""
    own = {"STAGE0_DATA": str(folder), "STAGE0_DATABASE_URL": f"sqlite:///{folder / 'none.db'}", **environment}
    asked = CliRunner().invoke(cli, ["serve"], env=own)
    assert asked.exit_code == 1
    return asked.output


def _shown_defaults() -> dict[str, str]:
    return {codes(row[0])[0]: row[1] for row in rows(settings())}


@pytest.mark.parametrize("setting", [each for each in SETTINGS.values() if not each.default], ids=lambda s: s.variable)
def test_a_setting_without_a_default_must_be_set_only_where_no_server_starts_without_it(
    setting: Setting, tmp_path: Path
) -> None:
    others = {} if setting.variable == "STAGE0_SECRET_KEY" else {"STAGE0_SECRET_KEY": ROOT_KEY}
    needed = setting.variable in _what_serve_says(tmp_path, **others)
    assert ("must be set" in _shown_defaults()[setting.variable]) == needed


def test_settings_without_a_default_are_of_both_kinds() -> None:
    """Else the test above proves one side alone."""
    shown = _shown_defaults()
    empty = {shown[each.variable] for each in SETTINGS.values() if not each.default}
    assert empty == {"none, must be set", "none"}


def test_a_default_is_shown_as_it_is_read() -> None:
    assert all(
        _shown_defaults()[each.variable] == f"`{each.default}`"
        for each in nonempty(each for each in SETTINGS.values() if each.default)
    )
    assert _shown_defaults()["STAGE0_PORT"] == "`8000`"
    assert default_of("port", SETTINGS["port"]) == "`8000`"


def test_the_catalogue_counts_codes_and_families() -> None:
    families = {rule.family for rule in RULES}
    text = catalogue()
    assert f"{len(RULES)} codes in {len(families)} families." in text
    assert text.count("\n## Family ") == len(families)
    assert text.count("\n### ") == len(RULES)
