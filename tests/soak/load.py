"""Clients that ask for everything, and look at every answer."""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.expectations import LIMIT, Expectations
from tests.support.gunicorn import Answer, GunicornServer

_BATCH_USERS = 20
# Twice the time budget of the largest request here, for a machine that is busy breaking databases.
_SLOW_S = 6.0


@dataclass
class Tally:
    """What happened."""

    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Load:
    """Mixed requests, one after the other, from several threads."""

    def __init__(
        self, server: GunicornServer, users: Sequence[str], expectations: Expectations, clients: int
    ) -> None:
        self._server = server
        self.users = list(users)
        self._expectations = expectations
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.tally = Tally()
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - nobody is to be kept from guessing it
        kinds = {"GET": 70, "batch": 12, "stream": 6, "health": 6, "bad request": 6}
        while not self._done.is_set():
            (kind,) = chance.choices(list(kinds), list(kinds.values()))
            try:
                outcome, violations = self._ask(kind, chance)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is a finding, not this thread's end
                outcome, violations = "no answer", [f"{type(exc).__name__}: {exc}"]
            with self._lock:
                self.tally.kinds[kind] += 1
                self.tally.outcomes[outcome] += 1
                self.tally.violations += [f"{kind}: {violation}" for violation in violations]

    def _ask(self, kind: str, chance: random.Random) -> tuple[str, list[str]]:
        users = chance.sample(self.users, _BATCH_USERS)
        if kind == "GET":
            answer = self._server.get(f"/api/recommendations/{users[0]}?limit={LIMIT}")
            return self._judge(answer, {users[0]: answer.body})
        if kind == "batch":
            answer = self._server.post("/api/recommendations/batch", {"user_ids": users, "limit": LIMIT})
            return self._judge(answer, answer.body.get("results", {}), expected_users=users)
        if kind == "stream":
            return self._stream(users)
        if kind == "health":
            answer = self._server.get("/health")
            return "healthy", [] if answer.status == http.client.OK else [f"status {answer.status}"]
        answer = self._server.get("/api/recommendations/nobody?limit=10")
        return "refused", [] if answer.status == http.client.BAD_REQUEST else [f"status {answer.status}"]

    def _stream(self, users: Sequence[str]) -> tuple[str, list[str]]:
        answer = self._server.request(
            "POST",
            "/api/recommendations/batch",
            json.dumps({"user_ids": users, "limit": LIMIT}).encode(),
            headers={"Accept": "application/x-ndjson"},
        )
        if answer.status != http.client.OK:
            return self._judge(answer, {})
        lines = [json.loads(line) for line in answer.body.splitlines()]
        if "error" in lines[-1]:
            return "stream broken off", ["a stream broke off"]
        return self._judge(answer, {line["user_id"]: line for line in lines}, expected_users=users)

    def _judge(
        self, answer: Answer, pages: dict[str, Any], expected_users: Sequence[str] | None = None
    ) -> tuple[str, list[str]]:
        slow = [f"took {answer.seconds:.1f} s"] if answer.seconds > _SLOW_S else []
        if answer.status == http.client.SERVICE_UNAVAILABLE:
            code = answer.body["code"]
            known = code in {"overloaded", "service_unavailable"}
            return f"503 {code}", slow + ([] if known else [f"503 {code}"])
        if answer.status != http.client.OK:
            return f"status {answer.status}", [f"status {answer.status}: {answer.body}"]
        violations = [
            violation
            for user, page in pages.items()
            for violation in self._expectations.violations(user, page)
        ]
        if expected_users is not None and list(pages) != list(expected_users):
            violations.append("users lost or out of order")
        degraded = {name for page in pages.values() for name in page["degraded"]}
        return f"without {', '.join(sorted(degraded))}" if degraded else "complete", slow + violations
