"""What the sliders say: read from a query string, and written into one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from recommender.api.problems import BadRequestError, ErrorCode
from recommender.domain import Weights

_MAX_WINDOW_DAYS = 36_500
_STEPS_DAYS = (7, 14, 30, 60, 90, 180, 365)
ALL_TIME = 0
_WEIGHT = re.compile(r"0(?:\.[0-9]{1,20})?|1(?:\.0{1,20})?")
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a ranking is asked for."""

    weights: Weights
    window_days: int
    limit: int

    def arguments(self, defaults: "Tuning") -> dict[str, str]:
        """What differs from the configuration, as query parameters."""
        given = {
            "content_weight": (self.weights.content, defaults.weights.content),
            "collaborative_weight": (self.weights.collaborative, defaults.weights.collaborative),
            "window_days": (self.window_days, defaults.window_days),
            "limit": (self.limit, defaults.limit),
        }
        return {name: f"{value:.12g}" for name, (value, default) in given.items() if value != default}

    def window_steps(self, defaults: "Tuning") -> list[int]:
        """The windows to choose from, in days, shortest first and all time last."""
        finite = {*_STEPS_DAYS, self.window_days, defaults.window_days} - {ALL_TIME}
        return [*sorted(finite), ALL_TIME]


def parse_tuning(arguments: Mapping[str, str], defaults: Tuning, max_limit: int) -> Tuning:
    """What a query string asks for, the configuration where it says nothing.

    Raises:
        BadRequestError: a value is out of range, or no number.
    """
    return Tuning(
        weights=Weights(
            content=_weight(arguments, "content_weight", defaults.weights.content),
            collaborative=_weight(arguments, "collaborative_weight", defaults.weights.collaborative),
        ),
        window_days=_whole(arguments, "window_days", defaults.window_days, (0, _MAX_WINDOW_DAYS)),
        limit=_whole(arguments, "limit", defaults.limit, (1, max_limit)),
    )


def _weight(arguments: Mapping[str, str], name: str, default: float) -> float:
    text = arguments.get(name, "")
    if not text:
        return default
    if not _WEIGHT.fullmatch(text):
        raise _invalid(f"{name} must be a number from 0 to 1, such as 0.4", text)
    return float(text)


def _whole(arguments: Mapping[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    text = arguments.get(name, "")
    if not text:
        return default
    least, most = bounds
    if not _WHOLE_NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise _invalid(f"{name} must be a whole number from {least} to {most}", text)
    return int(text)


def _invalid(allowed: str, text: str) -> BadRequestError:
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return BadRequestError(ErrorCode.INVALID_PARAMETER, f"{allowed}, not “{shown}”")
