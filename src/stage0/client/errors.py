"""What is raised where there is no decision to run an action."""

from __future__ import annotations


class Stage0Error(Exception):
    """There is no decision to run the action, so it must not run.

    `status` is the HTTP status (0 where the server could not be reached), `code` the error's code."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
