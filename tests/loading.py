"""Clients that check as fast as they are answered, to see what happens to a server under load."""

from __future__ import annotations

import http.client
import json
import threading

from tests.running import KEY, Server


class Load:
    """Each client has a connection of its own, and goes on until told to stop. Every second check is dangerous.

    `answered` holds, for each answer, whether it was dangerous, the request id and the goal; `refused` the status and
    error of everything else that was answered."""

    def __init__(self, server: Server, clients: int, *, key: str = KEY) -> None:
        self._server = server
        self._key = key
        self._stop = threading.Event()
        self.answered: list[tuple[int, str, str]] = []
        self.refused: list[tuple[int, str]] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        headers = {"x-api-key": self._key, "content-type": "application/json"}
        turn = 0
        while not self._stop.is_set():
            turn += 1
            dangerous = (number + turn) % 2
            goal = f"Delete user {number}-{turn}" if dangerous else f"List the tickets of user {number}-{turn}"
            tools = ["delete_user"] if dangerous else ["search_tickets"]
            try:
                connection.request("POST", "/check", json.dumps({"goal": goal, "tools": tools}), headers)
                response = connection.getresponse()
                body = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()
                if self._stop.wait(0.01):
                    break
                continue
            if response.status == 200:
                assert body["verdict"] == ("DENY" if dangerous else "ALLOW")
                self.answered.append((dangerous, body["request_id"], goal))
            else:
                self.refused.append((response.status, body["error"]))
                self._stop.wait(0.01)
        connection.close()
