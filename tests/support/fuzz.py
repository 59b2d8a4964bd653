"""Random requests, and the conditions for every answer."""

import json
import string
from collections.abc import Mapping

from hypothesis import strategies as st

from recommender.api.errors import ErrorCode

USER = "11111111-1111-4111-8111-111111111111"
NASTY = [
    "' OR 1=1 --",
    "'; DROP TABLE interaction; --",
    f"{USER}' AND pg_sleep(10)--",
    "\x00",
    f"{USER}\x00",
    "%(user_ids)s",
    "{0.__class__}",
    "${jndi:ldap://x}",
    "../../../../etc/passwd",
    "\ud7ff\ue000\ufffe",
    "\u202e\u0000\ufeff",
    "a" * 5000,
    "-1",
    "9" * 4001,
    "1e309",
    "NaN",
    "٣",
    "null",
    "[]",
    "<script>",
    "\r\nX-Injected: 1",
]
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "X",
]
HEADER_NAMES = [
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-None-Match",
    "Origin",
    "Range",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "X-API-Key",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
]

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=80))
# Half of them valid, or no request would pass the first check.
user_ids = st.sampled_from([USER, USER.upper()]) | texts
parameters = st.dictionaries(
    st.sampled_from(["limit", "offset"]), st.sampled_from(["1", "100", "007"]) | texts, max_size=2
) | st.dictionaries(texts, texts, max_size=2)
_numbers = st.one_of(
    st.integers(), st.floats(), st.sampled_from([2**31, 2**63, 2**64, 10**400, -1, 0, 1, 100, 101])
)
_leaves = st.one_of(st.none(), st.booleans(), _numbers, texts)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def _objects(draw: st.DrawFn) -> bytes:
    """Generate JSON objects with valid keys and wrong values, some with repeated keys or odd encodings."""
    names = draw(st.lists(st.sampled_from(["user_ids", "user_ids", "limit", "offset", ""]), max_size=3))
    ids = st.lists(st.just(USER) | user_ids, max_size=6)
    right = {"user_ids": ids, "limit": st.integers(1, 100)}
    pairs = [(name, draw(right[name] | _values if name in right else _values)) for name in names]
    text = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-16", "utf-32", "utf-8-sig"]))
    return text.encode(encoding, "surrogatepass")


@st.composite
def _deep(draw: st.DrawFn) -> bytes:
    depth = draw(st.sampled_from([100, 1023, 1024, 1025, 2_000]))
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"user_ids":', "}")]))
    return (opening * depth + "1" + closing * draw(st.sampled_from([0, depth]))).encode()


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """Generate valid bodies with a piece cut out and another inserted."""
    whole = json.dumps({"user_ids": [USER, USER], "limit": 3}).encode()
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, len(whole)))
    return whole[:start] + draw(st.binary(max_size=8)) + whole[end:]


bodies = st.one_of(
    _objects(),
    _damaged(),
    _deep(),
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            f'{{"user_ids": ["{USER}"]}}'.encode(),
            f'{{"user_ids": ["{USER}"], "user_ids": 1}}'.encode(),
            f'{{"user_ids": ["{USER}"], "limit": 1, "limit": 10}}'.encode(),
            b'{"user_ids": ["\xed\xa0\x80"]}',
            b'{"user_ids": ["\\ud800"]}',
            b'{"user_ids": ["\\u0000"]}',
            b'{"user_ids": ["' + b"\xff" * 50 + b'"]}',
            b'{"user_ids": [' + b"1" * 10_000 + b"]}",
        ]
    ),
)

# Bytes of a path as in a request line, percent-encoded where necessary.
raw_paths = st.one_of(
    st.sampled_from(
        [
            b"/health",
            b"/api/recommendations/batch",
            f"/api/recommendations/{USER}".encode(),
            b"/api/recommendations/%00",
            b"/api/recommendations/%ff%fe",
            b"/api/recommendations/%2e%2e%2fhealth",
            b"/api//recommendations/batch/",
            b"//",
            b"*",
            b"/?" + b"&".join([b"a=b"] * 400),
        ]
    ),
    st.builds(
        lambda rest: b"/api/recommendations/" + rest,
        st.text(string.ascii_letters + string.digits + "-_.~%/?&=+;:@", max_size=60).map(str.encode),
    ),
)


def assert_is_an_answer(status: int, headers: Mapping[str, str], body: bytes, *, head: bool = False) -> None:
    """Assert that an answer is no 5xx, and that errors have the documented shape."""
    assert status < 500, (status, body)
    if "X-Injected" in headers:
        raise AssertionError(headers)
    if status >= 400 and not head:
        assert headers["Content-Type"] == "application/json"
        problem = json.loads(body)
        assert set(problem) == {"error", "code"}
        assert problem["code"] in set(ErrorCode)
        assert len(problem["error"]) < 300
    assert headers["X-Content-Type-Options"] == "nosniff"
