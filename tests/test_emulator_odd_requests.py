"""Whatever is asked, the emulator answers as the service would: JSON, and never a failure of its own."""

import json

from hypothesis import given
from hypothesis import strategies as st

from netless_rooms.emulator import Ask, Emulator, Quirks

EMULATORS = [
    Emulator(rooms=30),
    Emulator(quirks=Quirks(envelope=True, short_pages=True)),
    Emulator(rooms=5, quirks=Quirks(order="creation", cursor="exclusive", unknown_begin="not_found")),
]
TOKEN = EMULATORS[0].token(lifetime=None)

texts = st.text(max_size=30) | st.text(st.characters(codec="latin-1"), max_size=30)
paths = st.sampled_from(["/v5/rooms", "/v5/rooms/", "/v5/rooms/0"]) | texts.map("/v5/rooms/{}".format) | texts
queries = (
    texts
    | texts.map("limit={}".format)
    | texts.map("beginUUID={}".format)
    | texts.map("limit=5&beginUUID=%{}".format)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["isBan", "isRecord", "limit", "x"]), inner) | st.lists(inner),
    max_leaves=5,
)
bodies = st.binary(max_size=50) | json_values.map(lambda value: json.dumps(value).encode())
headers = st.fixed_dictionaries(
    {"region": st.just("sg") | texts, "token": st.just(TOKEN) | texts | texts.map("NETLESSSDK_{}".format)}
)


@given(
    emulator=st.sampled_from(EMULATORS),
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]) | texts,
    path=paths,
    query=queries,
    headers=headers,
    body=bodies,
)
def test_every_request_gets_a_json_answer(
    emulator: Emulator, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    answer = emulator.answer(Ask(method=method, path=path, query=query, headers=headers, body=body))
    assert answer.status in {200, 201, 400, 401, 403, 404, 405}
    spoken = json.loads(answer.body)
    if emulator is EMULATORS[1]:
        assert spoken["status"] == answer.status
        spoken = spoken["body"]
    assert answer.status < 400 or list(spoken) == ["message"]
