"""Small packs for tests, made through the real loader."""

from __future__ import annotations

from stage0.policy.upload import Compiled, Upload, compile_upload

#: Cases that show each verdict, whatever the pack adds.
SUITE = """\
- name: reading is allowed
  request: {goal: List the open tickets, tools: [tickets.list], success_criteria: [listed]}
  expect: {verdict: ALLOW}
- name: a payment waits for its approval
  request: {goal: Pay the invoice, tools: [payments.create], constraints: [approval required]}
  expect: {verdict: DEFER}
- name: an unguarded payment is stopped
  request: {goal: Pay the invoice, tools: [payments.create]}
  expect: {verdict: DENY}
"""


def pack_files(name: str = "acme", version: str = "1", more: str = "", suite: str = SUITE) -> dict[str, str]:
    """The files of a pack that extends the default one."""
    text = f'name: {name}\nversion: "{version}"\nextends: stage0-default\n{more}'
    return {"pack.yaml": text, "suite.yaml": suite} if suite else {"pack.yaml": text}


def stops(code: str, goal: str, severity: str = "high") -> str:
    """A rule of a pack's own that stops one goal."""
    return f"rules:\n  {code}: {{when: 'goal == \"{goal}\"', severity: {severity}, message: Not today.}}\n"


def pack(name: str = "acme", version: str = "1", more: str = "", suite: str = SUITE) -> Compiled:
    """A pack that is ready to be stored."""
    return compile_upload(Upload(pack_files(name, version, more, suite)))
