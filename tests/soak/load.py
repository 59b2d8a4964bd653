"""Clients that send all kinds of requests, and check every answer."""

import http.client
import json
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.data import HEAVY_USER
from tests.soak.expectations import LIMIT, Expectations
from tests.support.gunicorn import Answer, GunicornServer

_BATCH_USERS = 20
# Twice the time budget of the largest request here, because the machine is busy.
_SLOW_S = 6.0
_PAGES = 6
_READING_S = 0.3
_INCOMPLETE = ("without", "503")


@dataclass(frozen=True)
class Finding:
    """The outcome of a request."""

    kind: str
    outcome: str
    violations: Sequence[str]
    asked_at: float
    seconds: float

    def is_within(self, began_at: float, ended_at: float) -> bool:
        """Return whether the whole request fell into a period, by the monotonic clock."""
        return began_at <= self.asked_at and self.asked_at + self.seconds <= ended_at


@dataclass
class Tally:
    """The outcomes of all requests."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """Return all faults, with the kind of request."""
        return [f"{finding.kind}: {problem}" for finding in self.findings for problem in finding.violations]

    def counts(self, name: str) -> Counter[str]:
        """Return the number of requests by `kind` or `outcome`."""
        return Counter(getattr(finding, name) for finding in self.findings)

    def incomplete(self, began_at: float, ended_at: float) -> Counter[str]:
        """Count incomplete answers by outcome, except for the heavy user, whose history may be too long."""
        return Counter(
            finding.outcome
            for finding in self.findings
            if finding.kind != "heavy user"
            and finding.outcome.startswith(_INCOMPLETE)
            and finding.is_within(began_at, ended_at)
        )

    def median_seconds(self, stretches: Iterable[tuple[float, float]]) -> float:
        """Return the median time of a GET for one user within the periods; 0 if there was none."""
        stretches = list(stretches)
        taken = [
            finding.seconds
            for finding in self.findings
            if finding.kind == "GET" and any(finding.is_within(*stretch) for stretch in stretches)
        ]
        return statistics.median(taken) if taken else 0.0


class Load:
    """Sends requests from several threads: mixed ones, pages in turn, and those of a heavy user."""

    def __init__(
        self, server: GunicornServer, users: Sequence[str], expectations: Expectations, clients: int
    ) -> None:
        self._server = server
        self._users = list(users)
        self._expectations = expectations
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.tally = Tally()
        asks = [self._ask_anything] * clients + [self._ask_for_pages, self._ask_for_heavy_user]
        self._threads = [
            threading.Thread(target=self._run, args=(ask, seed)) for seed, ask in enumerate(asks)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def is_itself(self) -> bool:
        """Return whether a user is answered completely and as expected."""
        outcome, violations = self._get(self._users[0])
        return outcome == "complete" and not violations

    def _run(self, ask: Callable[[random.Random], tuple[str, str, list[str]]], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - may be guessed
        while not self._done.is_set():
            asked_at = time.monotonic()
            try:
                kind, outcome, violations = ask(chance)
            except Exception as exc:  # noqa: BLE001 - any error is a finding and must not end this thread
                kind, outcome, violations = ask.__name__, "no answer", [f"{type(exc).__name__}: {exc}"]
            finding = Finding(kind, outcome, violations, asked_at, time.monotonic() - asked_at)
            with self._lock:
                self.tally.findings.append(finding)

    def _ask_anything(self, chance: random.Random) -> tuple[str, str, list[str]]:
        kinds = {"GET": 70, "batch": 12, "stream": 6, "health": 6, "bad request": 6}
        (kind,) = chance.choices(list(kinds), list(kinds.values()))
        users = chance.sample(self._users, _BATCH_USERS)
        if kind == "GET":
            return kind, *self._get(users[0])
        if kind == "batch":
            return kind, *self._batch(users)
        if kind == "stream":
            return kind, *self._stream(users)
        if kind == "health":
            answer = self._server.get("/health")
            problems = [] if answer.status == http.client.OK else [f"status {answer.status}"]
            return kind, "healthy", problems
        answer = self._server.get("/api/recommendations/nobody?limit=10")
        problems = [] if answer.status == http.client.BAD_REQUEST else [f"status {answer.status}"]
        return kind, "refused", problems

    def _ask_for_pages(self, chance: random.Random) -> tuple[str, str, list[str]]:
        """Read pages slowly, by the index of the first page."""
        user, since = chance.choice(self._users), time.monotonic()
        pages: list[dict[str, Any]] = []
        outcomes, violations = [], []
        for number in range(_PAGES):
            index = f"&index={pages[0]['index']}" if pages else ""
            offset = number * LIMIT
            answer = self._server.get(f"/api/recommendations/{user}?limit={LIMIT}&offset={offset}{index}")
            outcome, problems = self._judge(answer, {user: answer.body}, since, offset=offset)
            outcomes.append(outcome)
            violations += problems
            if answer.status != http.client.OK:
                break
            pages.append(answer.body)
            self._done.wait(_READING_S)
        if len(pages) == _PAGES:
            violations += self._expectations.paging_violations(user, pages, since)
        # Record the worst of them for all.
        return "pages", max(outcomes, key=lambda outcome: outcome.startswith(_INCOMPLETE)), violations

    def _ask_for_heavy_user(self, chance: random.Random) -> tuple[str, str, list[str]]:
        explain = chance.random() < 0.3
        outcome, violations = self._get(HEAVY_USER, "&explain=true" if explain else "")
        return "heavy user", outcome, violations

    def _get(self, user: str, arguments: str = "") -> tuple[str, list[str]]:
        since = time.monotonic()
        answer = self._server.get(f"/api/recommendations/{user}?limit={LIMIT}{arguments}")
        outcome, violations = self._judge(answer, {user: answer.body}, since)
        if arguments and answer.status == http.client.OK and "basis" not in answer.body:
            violations.append("no explanation")
        return outcome, violations

    def _batch(self, users: Sequence[str]) -> tuple[str, list[str]]:
        since = time.monotonic()
        answer = self._server.post("/api/recommendations/batch", {"user_ids": users, "limit": LIMIT})
        return self._judge(answer, answer.body.get("results", {}), since, expected_users=users)

    def _stream(self, users: Sequence[str]) -> tuple[str, list[str]]:
        since = time.monotonic()
        answer = self._server.request(
            "POST",
            "/api/recommendations/batch",
            json.dumps({"user_ids": users, "limit": LIMIT}).encode(),
            headers={"Accept": "application/x-ndjson"},
        )
        if answer.status != http.client.OK:
            return self._judge(answer, {}, since)
        lines = [json.loads(line) for line in answer.body.splitlines()]
        if "error" in lines[-1]:
            return "stream broken off", ["a stream broke off"]
        pages = {line["user_id"]: line for line in lines}
        return self._judge(answer, pages, since, expected_users=users)

    def _judge(
        self,
        answer: Answer,
        pages: dict[str, Any],
        since: float,
        *,
        offset: int = 0,
        expected_users: Sequence[str] | None = None,
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
            for violation in self._expectations.violations(user, page, since, offset)
        ]
        if expected_users is not None and list(pages) != list(expected_users):
            violations.append("users lost or out of order")
        degraded = {name for page in pages.values() for name in page["degraded"]}
        return f"without {', '.join(sorted(degraded))}" if degraded else "complete", slow + violations
