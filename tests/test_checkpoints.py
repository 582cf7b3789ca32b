"""Checkpoints, as values and as text, and where a list can be split."""

import string
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netless_rooms._listing import checkpoints, shards
from netless_rooms._listing.checkpoints import Checkpoint, Range, ScanMode, read_checkpoint
from samples import UUID
from selection import examples

law = examples(20, many=500)
LETTERS = string.ascii_letters + string.digits + "-_"
UUIDS = st.one_of(
    st.uuids(version=1).map(lambda uuid: uuid.hex), st.from_regex("[A-Za-z0-9][A-Za-z0-9_-]{0,40}", fullmatch=True)
)
CHECKPOINTS = st.builds(
    Checkpoint,
    region=st.text([chr(code) for code in range(0x21, 0x7F)], min_size=1, max_size=20),
    mode=st.sampled_from(ScanMode),
    account=st.none() | st.sampled_from(["", "team", "é"]).map(checkpoints.account_of),
    ranges=st.lists(st.builds(Range, st.none() | UUIDS, st.none() | UUIDS), max_size=6).map(tuple),
    samples=st.lists(UUIDS, max_size=16).map(tuple),
)
RANGES = (Range(None, "11"), Range("22", "33"), Range("44"))
TEAM = checkpoints.account_of("team")
FULL = Checkpoint(region="us-sv", mode=ScanMode.SHARDS, account=TEAM, ranges=RANGES, samples=("11", "44"))


@law
@given(CHECKPOINTS)
@example(FULL)
@example(Checkpoint(region="~"))
@example(Checkpoint(region="a~b%7Ec,d.e"))
@example(Checkpoint(region="eu", ranges=()))
def test_a_checkpoint_is_read_back_from_its_text_of_few_characters(checkpoint: Checkpoint) -> None:
    text = str(checkpoint)
    assert read_checkpoint("resume", text, checkpoint.region) == checkpoint
    assert set(text) <= set(LETTERS + ".,~%")


def test_the_text_of_this_release_stays_readable_and_has_the_account_as_a_digest_only() -> None:
    assert str(Checkpoint(region="us-sv")) == "scan1~us-sv~sequential~~.~~ebbe2b3b"
    assert str(FULL) == "scan1~us-sv~shards~ca8b22d0db83~.11,22.33,44.~11.44~8fafa6cc"


def test_a_text_that_is_cut_or_has_a_character_changed_left_out_or_doubled_is_refused() -> None:
    text = str(FULL)
    damaged = [text[:end] for end in range(len(text))]
    for at, was in enumerate(text):
        others = ["a", "0", "~", ".", ",", "%", " ", "\n", "\x00", "\ud800", "é", "", was * 2, was.swapcase()]
        damaged += [text[:at] + other + text[at + 1 :] for other in others if other != was]
    for one in damaged:
        with pytest.raises(ValueError, match=r"^known (is damaged|was made|must be)"):
            read_checkpoint("known", one, "us-sv")


def whole(body: str) -> str:  # with the right checksum
    return f"{body}~{crc32(body.encode()):08x}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UUID, r"must be a checkpoint of a scan: it looks like a room's uuid, .* walk\(after=...\)"),
        ("", "must be a checkpoint of a scan$"),
        ("~", "must be a checkpoint of a scan$"),
        ("scan10", "must be a checkpoint of a scan"),
        ("scan2~eu~sequential~~.~~00000000", "was made by another release"),
        ("scan1~eu~sequential~~.~~00000000", "is damaged: a checkpoint must be kept whole"),
        (whole("scan1~eu~circle~~.~"), "is damaged"),
        (whole("scan1~eu~sequential~~.~~x"), "is damaged"),
        (str(FULL), "is of the region 'us-sv', but these rooms are in 'eu'"),
        (whole("scan1~eu~shards~~x/y.~"), "must be letters, .* not 'x/y'"),
        (whole("scan1~eu~shards~~.x/y~"), "must be letters, .* not 'x/y'"),
        (whole("scan1~eu~shards~~.~x/y"), "must be letters, .* not 'x/y'"),
        (None, "must be a string, not NoneType"),
        (b"scan1", "must be a string, not bytes"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_text(text: Any, words: str) -> None:
    with pytest.raises(ValueError if isinstance(text, str) else TypeError, match=f"^resume {words}"):
        read_checkpoint("resume", text, "eu")


def test_a_range_follows_after_the_last_room_of_the_one_before() -> None:
    assert shards.ranges_between([]) == (Range(),)
    assert shards.ranges_between(["a", "b"]) == (Range(None, "a"), Range("a", "b"), Range("b"))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_candidates_split_the_uuids_into_equal_parts(count: int) -> None:
    uuids = shards.split_candidates(count)
    parts = [other - one for one, other in pairwise([0, *(int(uuid, 16) for uuid in uuids), 1 << 128])]
    assert len(parts) == count
    assert max(parts) - min(parts) <= 1 << 98
    assert all(len(uuid) == 32 and uuid[12] == "1" for uuid in uuids)


def test_only_a_documented_uuid_has_a_next_one() -> None:
    assert shards.next_uuid("0" * 32) == "0" * 31 + "1"
    assert shards.next_uuid("0" * 30 + "ff") == "0" * 29 + "100"
    assert shards.next_uuid("f" * 31 + "e") == "f" * 32
    for uuid in ("f" * 32, "", UUID.upper(), UUID[:-1], UUID + "0", "x" * 32, UUID + "\n"):
        assert shards.next_uuid(uuid) is None


def test_only_a_list_that_continues_at_the_next_greater_uuid_is_split() -> None:
    split = ["::", "24:35:35", "24:24:24", "24:55:5", "24:3-:3", "24:--:"]  # "-": an empty page
    for candidates, found, points in (row.split(":") for row in split):
        rooms = [None if uuid == "-" else uuid for uuid in found]
        assert shards.split_points(list(candidates), rooms) == tuple(points)
    # A list that goes on cannot have ended before, and a page cannot begin before what was asked for, or fall.
    for uuids in ([None, "5"], ["1", "5"], ["3", "3"], ["7", "5"], ["3", None, "7"]):
        assert shards.split_points(list("246")[: len(uuids)], uuids) is None


@law
@given(st.integers(0, 200), st.integers(0, 20))
@example(16, 15)
@example(15, 15)
def test_spread_keeps_that_many_in_order_and_evenly(length: int, count: int) -> None:
    kept = shards.spread([f"{place:05}" for place in range(length)], count)
    assert len(kept) == min(count, length)
    assert list(kept) == sorted(set(kept))
    if length > count:
        parts = [other - one for one, other in pairwise([0, *map(int, kept), length])]
        assert max(parts) - min(parts) <= 1
