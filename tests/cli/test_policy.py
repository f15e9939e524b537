"""`stage0 policy`: what a newcomer types, from an empty folder to a rollback, and what each command says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from stage0.policy.format import json_schema
from tests.packs import pack_files, stops
from tests.running import STAGE0, Server
from tests.server.test_policies import READ, Team

CLEAN: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder, with nothing but what is given in its environment."""
    return subprocess.run(
        [STAGE0, *arguments], cwd=folder, env={**CLEAN, **environment}, capture_output=True, text=True, check=False
    )


def written(folder: Path, files: dict[str, str], name: str = "acme") -> Path:
    """A pack's folder."""
    place = folder / name
    place.mkdir()
    for file, text in files.items():
        (place / file).write_text(text, encoding="utf-8")
    return place


def test_a_newcomers_path_from_an_empty_folder_to_a_rollback(server: Server, tmp_path: Path) -> None:
    team = Team(server)
    for _ in range(2):
        assert team.check().status == 200
    at = {"STAGE0_BASE_URL": server.url, "STAGE0_API_KEY": team.admin}
    made = run(tmp_path, "policy", "new", "acme")
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "acme/pack.yaml").read_text(encoding="utf-8")
    edited = text.replace("amount > 10000.0", "amount > 9000.0")
    assert edited != text
    (tmp_path / "acme/pack.yaml").write_text(edited, encoding="utf-8")
    for command in (("lint", "acme"), ("test", "acme"), ("fmt", "acme")):
        ran = run(tmp_path, "policy", *command)
        assert (ran.returncode, ran.stderr) == (0, ""), (command, ran.stdout, ran.stderr)
    replayed = run(
        tmp_path,
        "policy",
        "replay",
        "acme",
        "--account",
        team.account,
        "--since",
        "7d",
        STAGE0_DATA=str(server.folder / "data"),
    )
    assert replayed.stdout.startswith("2 of 2 records decided again, 0 flip"), replayed.stderr
    pushed = run(tmp_path, "policy", "push", "acme", **at)
    assert pushed.stdout.startswith("acme@1 pushed"), pushed.stderr
    assert run(tmp_path, "policy", "activate", "acme@1", **at).stdout == "acme@1 decides\n"
    assert team.check().body["policy_version"] == "acme@1"
    assert "acme@1 decides" in run(tmp_path, "policy", "list", **at).stdout
    assert "amount > 9000.0" in run(tmp_path, "policy", "show", "acme@1", **at).stdout
    assert run(tmp_path, "policy", "rollback", **at).stdout == "the default pack decides\n"
    assert team.check().body["policy_version"].startswith("stage0-default@")


def test_lint_names_file_line_field_and_the_nearest_name(tmp_path: Path) -> None:
    written(
        tmp_path, pack_files(more="rules:\n  BIG:\n    when: amont > 5.0\n    severity: high\n    message: Too big.\n")
    )
    ran = run(tmp_path, "policy", "lint", "acme")
    assert ran.returncode == 1
    assert ran.stderr == "error: pack.yaml:6: rules.BIG.when: there is no fact `amont`; did you mean `amount`?\n"


def test_lint_warns_and_is_strict_where_asked(tmp_path: Path) -> None:
    written(tmp_path, pack_files(more=stops("NOT_NOW", "x")))
    plain, strict = (run(tmp_path, "policy", "lint", "acme", *more) for more in ((), ("--strict",)))
    assert (plain.returncode, strict.returncode) == (0, 1)
    assert "no case makes NOT_NOW fire" in plain.stderr


def test_a_suite_that_fails_says_what_was_expected_and_what_came(tmp_path: Path) -> None:
    written(tmp_path, pack_files(more=stops("NOT_NOW", "List the open tickets")))
    ran = run(tmp_path, "policy", "test", "acme", "--junit", "report.xml")
    assert ran.returncode == 1
    for line in (
        "no  DENY   reading is allowed",
        "- verdict ALLOW",
        "+ verdict DENY",
        "+ NOT_NOW",
        "2 of 3 as expected",
    ):
        assert line in ran.stdout, ran.stdout
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("acme@1", "3", "1")


def test_fmt_keeps_comments_and_order_and_then_changes_nothing(tmp_path: Path) -> None:
    text = '# why\nname: acme\nversion:   "1"\nextends: stage0-default # here\nopen:\n- tools\n'
    folder = written(tmp_path, {"pack.yaml": text})
    assert run(tmp_path, "policy", "fmt", "--check", "acme").returncode == 1
    assert run(tmp_path, "policy", "fmt", "acme").returncode == 0
    text = (folder / "pack.yaml").read_text(encoding="utf-8")
    assert text == '# why\nname: acme\nversion: "1"\nextends: stage0-default # here\nopen:\n  - tools\n'
    assert run(tmp_path, "policy", "fmt", "--check", "acme").returncode == 0


def test_the_schema_is_printed(tmp_path: Path) -> None:
    assert json.loads(run(tmp_path, "policy", "schema").stdout) == json.loads(json.dumps(json_schema()))


def test_two_packs_are_compared_in_words(tmp_path: Path) -> None:
    written(tmp_path, pack_files(more=stops("NOT_NOW", "x")))
    ran = run(tmp_path, "policy", "diff", "stage0-default", "acme")
    assert ran.stdout.startswith("- open") or "+ rule NOT_NOW" in ran.stdout
    assert run(tmp_path, "policy", "diff", "acme", "acme").stdout == "they decide alike\n"


def test_a_check_in_this_process_takes_a_pack_of_a_folder(tmp_path: Path) -> None:
    written(tmp_path, pack_files(more=stops("NOT_NOW", READ["goal"])))
    (tmp_path / "request.json").write_text(json.dumps(READ), encoding="utf-8")
    ran = run(tmp_path, "check", "--local", "--pack", "acme", "request.json")
    assert ran.returncode == 20, ran.stderr
    assert json.loads(ran.stdout)["policy_version"] == "acme@1"


def test_efficacy_shows_what_fired_and_what_never_did(server: Server, tmp_path: Path) -> None:
    team = Team(server)
    team.check(goal="Delete all users", tools=["db.users.delete"])
    ran = run(
        tmp_path, "policy", "efficacy", "--account", team.account, "--json", STAGE0_DATA=str(server.folder / "data")
    )
    found = json.loads(ran.stdout)
    assert found["records"] == 1
    assert "SIDE_EFFECTS_NEED_GUARDRAILS" in {rule["code"] for rule in found["rules"]}
    assert "MFA_VERIFICATION_REQUIRED" in found["never_fired"]


@pytest.mark.parametrize("version", ["acme", "acme@", "@1", "acme@9"])
def test_a_version_that_is_not_there_is_a_clear_error(version: str, server: Server, tmp_path: Path) -> None:
    team = Team(server)
    at = {"STAGE0_BASE_URL": server.url, "STAGE0_API_KEY": team.admin}
    ran = run(tmp_path, "policy", "activate", version, **at)
    assert ran.returncode == 1
    assert version in ran.stderr
