"""What a response means: from status, headers and body to a result or an error.  Pure.

Success is 200 or 201 for every call, since the service's pages disagree about PATCH.  The documentation prints
responses as ``{"status": …, "body": …}``; the wire carries the bare body, but the printed form is accepted too.
"""

import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from math import ceil, isnan, nan
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from netless_rooms import errors
from netless_rooms._api.decoding import WIRE_NAMES, WireError, decode_documented, parse_json, show, structure
from netless_rooms._api.requests import ApiRequest, Result
from netless_rooms._auth.redaction import Redact, redact
from netless_rooms._retries import is_token_expired
from netless_rooms._validation import MAX_PAGE_SIZE
from netless_rooms.models import InvalidRoom, MixedPage, Room, format_duration, same_uuid

MAX_EXCERPT: Final = 300  # characters of the service's own words in an error
MAX_BODY_SIZE: Final = 64 * 2**20  # bytes, unpacked; 1000 rooms with 60 kB of unknown fields each
MAX_ERROR_BODY_SIZE: Final = 2**20  # bytes of the body of a failure that are read
MAX_RETRY_AFTER: Final = 1e9  # seconds, some thirty years; the header may hold a number of any length
SKEW_TOLERANCE: Final = 30  # seconds between two clocks that are not worth a remark
MAX_GZIP_MEMBERS: Final = 16  # of one body; each takes a copy of what follows it
GATEWAY: Final = frozenset({502, 503, 504})  # sent by a gateway, whatever was requested
_ERRORS: Final = {kind._default_status: kind for kind in errors.StatusError.__subclasses__()}


@frozen(repr=False)
class RawResponse:
    """A response as it arrived; it may echo the token, so its repr shows nothing."""

    status: int
    headers: Mapping[str, str]  # looked up in lower case
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def unpacked(self, max_body_size: int) -> "RawResponse":
        """Return the response with its body unpacked, or raise what is wrong with the body.

        ``body`` may have been read up to the first byte beyond ``size_to_read``.  Unpacking is not left to the
        HTTP library, which sets no bound and does not notice that a gzip stream was cut.  The body of a failure
        is unpacked as far as possible, because its status says more than a flaw of its body.
        """
        max_size = size_to_read(self.status, max_body_size)
        coding = self.headers.get("content-encoding", "").strip().lower()
        is_gzip = coding in {"gzip", "x-gzip"}
        if not (is_gzip or coding in {"", "identity"}):
            if self.is_success:
                raise errors.DecodeError("the body has a Content-Encoding other than gzip, the only one accepted,")
            return RawResponse(self.status, self.headers, b"")
        body, flaw = _gunzip(self.body, max_size) if is_gzip else (self.body, "")
        if self.is_success:
            if max(len(body), len(self.body)) > max_size:
                raise errors.DecodeError(f"the body has more than {max_size} bytes, the bound of max_body_size,")
            length = self.headers.get("content-length", "")
            if re.fullmatch("[0-9]{1,18}", length) and int(length) != len(self.body):
                flaw = f"was cut after {len(self.body)} bytes"
            if flaw:
                raise errors.TransportError(f"the body of the response {flaw}")
        return RawResponse(self.status, self.headers, body[:max_size])


def size_to_read(status: int, max_body_size: int) -> int:
    """Return how many bytes of a body are wanted, packed or unpacked."""
    return max_body_size if 200 <= status < 300 else min(max_body_size, MAX_ERROR_BODY_SIZE)


def _gunzip(packed: bytes, max_size: int) -> tuple[bytes, str]:
    """Return the body, or its beginning and what is wrong with the rest; one byte beyond ``max_size`` at most."""
    body, rest = b"", packed
    for _ in range(MAX_GZIP_MEMBERS):
        stream = zlib.decompressobj(31)  # zlib's number for a gzip header and the largest window
        try:
            body += stream.decompress(rest, max_size + 1 - len(body))
        except zlib.error as error:
            return body, f"is not gzip: {error}"
        if rest and len(body) <= max_size and not stream.eof:
            return body, f"was cut after {len(packed)} bytes"
        rest = stream.unused_data
        if not rest or len(body) > max_size:
            return body, ""
    return body, f"is in more than {MAX_GZIP_MEMBERS} gzip members"


def parse_response(
    request: ApiRequest[Result], response: RawResponse, *, redact: Redact = redact, now: float = nan
) -> Result:
    """Return what the service answered, or raise what its refusal means.

    ``redact`` removes what must not be shown, since a response may echo the token that was sent.  ``now`` is in
    seconds since the epoch: where a token is called expired, the error says whether the clocks agree.
    """
    if 300 <= response.status < 400 and "location" in response.headers:
        address = excerpt(_without_query(response.headers["location"]), redact)
        raise errors.TransportError(
            f"the service answered {response.status} and pointed to {address!r}; redirects are refused, because "
            "they would take the token along",
            is_transient=False,
        )
    if not response.is_success:
        raise _status_error(request, response, redact, now)
    try:
        return _parse(request, response, redact, now)
    except WireError as fault:
        said = _reason(response.body)
        reason = f"{fault.reason}; the service says: {said}" if said else fault.reason
        error = errors.DecodeError(excerpt(reason, redact), fault.path)
    try:
        raise error  # outside ``except``, so that the words of the body are not in its ``__context__``
    finally:
        del error  # breaks the exception, traceback, frame cycle


def _parse(request: ApiRequest[Result], response: RawResponse, redact: Redact, now: float) -> Result:
    _check_success(response.status, "$")
    result = decode_documented(response.body, request.model, max_members=MAX_PAGE_SIZE)
    if result is None:
        document, inner_status = unwrap(parse_json(response.body))
        if inner_status is not None:
            inner = evolve(response, status=inner_status)
            if not inner.is_success:
                raise _status_error(request, inner, redact, now)
            _check_success(inner_status, "$.status")
        # Not at most ``limit``, because a service that ignores ``limit`` can still be walked and diagnosed.
        result = structure(document, request.model, max_members=MAX_PAGE_SIZE)
        if isinstance(result, MixedPage):
            clean: Any = MixedPage(_sanitize(each, redact) for each in result)
            result = clean
    for attribute, expected in request.expected.items():
        actual = getattr(result, attribute)
        if not (same_uuid(actual, expected) if isinstance(expected, str) else actual is expected):
            # About another room, or it shows the old state.
            raise WireError(f"expected {show(expected)}, got {show(actual)}", f"$.{WIRE_NAMES[attribute]}")
    return result


def _check_success(status: int, path: str) -> None:
    if status not in {200, 201}:
        raise WireError(f"expected the status 200 or 201, got {status}", path)


def unwrap(document: Any) -> tuple[Any, int | None]:
    """Return the document inside the printed envelope and the status that it states, if it is one."""
    if isinstance(document, dict) and document.keys() == {"status", "body"}:
        status = document["status"]
        if type(status) is not int or not 100 <= status < 600:
            raise WireError(f"expected an HTTP status, got {show(status)}", "$.status")
        return document["body"], status
    return document, None


def _sanitize(member: Room | InvalidRoom, redact: Redact) -> Room | InvalidRoom:
    """Return an invalid room with its reason cut and without a token, a room as it is."""
    return evolve(member, reason=excerpt(member.reason, redact)) if isinstance(member, InvalidRoom) else member


def _status_error(request: ApiRequest[Any], raw: RawResponse, redact: Redact, now: float) -> errors.StatusError:
    status, headers = raw.status, raw.headers
    reason = _reason(raw.body)
    message = reason and excerpt(reason, redact)
    kind = errors.ServerError if 500 <= status < 600 else _ERRORS.get(status, errors.StatusError)
    error = kind(
        message,
        status,
        excerpt="" if message else excerpt(raw.body.decode(errors="replace"), redact),
        remark=_remark_on_clocks(headers, now) if is_token_expired(status, message) else "",
        retry_after=_retry_after(headers, now),
    )
    if status == 404 and request.room_uuid is None:
        error.hint = "is base_url right, and do the region and the token belong to the same project?"
    return error


def _reason(body: bytes) -> str | None:
    """Return the reason in a body: ``message``, or ``msg`` as older generations of the service say."""
    document: Any = None
    with suppress(WireError):
        document, _ = unwrap(parse_json(body))
    found = [document.get(name) for name in ("message", "msg")] if isinstance(document, dict) else []
    return next((words for words in found if isinstance(words, str) and words.strip()), None)


def _remark_on_clocks(headers: Mapping[str, str], now: float) -> str:
    """Return how far this machine's clock is from the service's, if that may be why a token has expired."""
    served = read_date(headers.get("date", ""))
    if served is None:
        return "if the token is fresh, this machine's clock is wrong"
    ahead = now - served.timestamp()
    if not abs(ahead) >= SKEW_TOLERANCE:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {format_duration(abs(ahead))} {side} the service's, set it right"


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait, rounded up; of a header that occurs twice, the longest.

    A date counts from the ``Date`` of the response, else from this machine's time.
    """
    text = headers.get("retry-after", "")
    served = read_date(headers.get("date", ""))
    start = now if served is None else served.timestamp()
    waits: list[float] = []
    # HTTP libraries join repeated headers with a comma, which a date has one of itself.
    for part in map(str.strip, re.split(r",(?! [0-9]{1,2}[ -][A-Za-z])", text)):
        until = read_date(part)
        if re.fullmatch(r"[0-9]+(\.[0-9]*)?", part):
            waits.append(float(ceil(min(float(part), MAX_RETRY_AFTER))))
        elif until is not None and not isnan(start):
            waits.append(max(0.0, until.timestamp() - start))
    return max(waits, default=None)


def read_date(text: str) -> datetime | None:
    """Return the time in a header; ``None`` if it is not a time, or has no time zone."""
    from email.utils import parsedate_to_datetime  # slow to import, and needed after failures only

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # not a date, or far out of range
        return None
    return None if date.tzinfo is None else date


def _without_query(location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an unreadable address"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def excerpt(text: str, redact: Redact) -> str:
    """Return the beginning of ``text`` in one line, without what ``redact`` removes."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 10 * MAX_EXCERPT])
    clean = redact(" ".join(shown.split()))
    return clean if len(clean) <= MAX_EXCERPT else f"{clean[:MAX_EXCERPT]}…"
