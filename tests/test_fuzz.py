"""Any response becomes what it says or one of our errors; no error shows the token, and no good room is lost."""

import json
import pickle
import traceback
from datetime import UTC, datetime
from math import inf, nan
from typing import Any, Final

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from netless_rooms import InvalidRoom, Room, RoomsError
from netless_rooms._api.decoding import WIRE_NAMES
from netless_rooms._api.requests import ApiRequest, ban_room, create_room, get_room, list_rooms
from netless_rooms._api.responses import MAX_EXCERPT, RawResponse, parse_response
from netless_rooms._auth.tokens import Token
from odd_bodies import SDK_TOKEN, TOKENS, assert_hidden, odd_bodies
from samples import DASHED, UUID, room_json
from selection import examples

OPERATIONS: list[ApiRequest[Any]] = [create_room(limit=3), get_room(UUID), get_room(DASHED), list_rooms()]
OPERATIONS += [list_rooms(tolerant=True), ban_room(UUID, is_ban=True), ban_room(UUID, is_ban=False)]
DEEPEST: Final = json.loads("[" * 32 + "]" * 32)

dates = st.builds(
    "Mon, {} Jan {} 06:56:29 {}".format,
    *(st.integers(0, 40), st.integers(0, 10**9)),
    st.sampled_from(["GMT", "-0000"]) | st.integers(0, 10**20).map("+{}".format),
)
odd_headers = ["0", "99999999999", "-1", "1.5", "https://h/x", "//[::1", "Mon, 18 Jan 2021 06:56:29 GMT"]
odd_headers += [f"https://h/{token}?x={token}" for token in TOKENS]
headers = st.dictionaries(
    st.sampled_from(["location", "retry-after", "date", "content-type"]) | st.text(max_size=8),
    st.text(max_size=20) | dates | st.sampled_from(odd_headers),
    max_size=3,
)
statuses = st.just(200) | st.just(201) | st.sampled_from([204, 302, 401, 404, 429, 500]) | st.integers(0, 999)


@example(OPERATIONS[1], 200, {}, ("damaged texts", b"[" * 200_000), TOKENS[0], 0.0)
@example(OPERATIONS[1], 200, {}, ("damaged documents", room_json(x=DEEPEST)), TOKENS[0], 0.0)
# The first text ever drawn in a checkout waits for Hypothesis to tabulate Unicode.
@settings(examples(25, many=10_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.sampled_from(OPERATIONS),
    *(statuses, headers, odd_bodies, st.sampled_from(TOKENS)),
    st.sampled_from([0.0, 1_610_952_989.0, nan, inf, -inf, 1e300]),
)
def test_any_response_becomes_what_it_says_or_our_error(
    operation: ApiRequest[Any], status: int, headers: Any, body: tuple[str, bytes], token: str, now: float
) -> None:
    kind, sent = body
    # No piece of the token that was sent is shown; any other is known by its beginning, if it is whole.
    secrets = {token, SDK_TOKEN} if kind == "damaged documents" else {token}
    try:
        response = RawResponse(status, headers, sent)
        result = parse_response(operation, response, redact=Token.parse(token).redact, now=now)
    except RoomsError as error:
        event(f"{kind}: {type(error).__name__}")
        assert (error.method, error.path) == (None, None)  # noqa: PT017  a result is as good
        assert len(str(error)) < 4 * MAX_EXCERPT  # noqa: PT017
        shown = [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
        assert_hidden(secrets, *shown, *traceback.format_exception(error))
    else:
        event(f"{kind}: good")
        document = json.loads(sent.removeprefix(b"\xef\xbb\xbf"))
        if isinstance(document, dict) and document.keys() == {"status", "body"}:
            assert document["status"] in {200, 201}
            document = document["body"]
        assert status in {200, 201}
        assert type(result) is operation.model
        if isinstance(result, Room):
            assert_says(result, document)
        else:
            for member, described in zip(result, document, strict=True):
                if isinstance(member, InvalidRoom):
                    assert_hidden(secrets, member.reason, member.location)
                else:
                    assert_says(member, described)


def assert_says(room: Room, document: dict[str, Any]) -> None:
    assert type(room) is Room
    decoded = {wire: getattr(room, name) for name, wire in WIRE_NAMES.items()}
    described = {"appUUID": None, "name": None} | document
    assert decoded.pop("createdAt") == datetime.fromisoformat(described.pop("createdAt"))
    assert room.created_at.tzinfo is UTC
    # This text is the same only for the same values of the same types.
    assert json.dumps(decoded | dict(room.extra), sort_keys=True) == json.dumps(described, sort_keys=True)
