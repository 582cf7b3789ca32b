"""Where a scan stands, as a value and as a text, and where a list can be cut."""

import string
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netless_rooms.checkpoints import (
    MOST_KNOWN,
    Checkpoint,
    Landmarks,
    Range,
    ScanMode,
    account_of,
    behind,
    bounds,
    cuts,
    ranges_between,
    read_checkpoint,
    spread,
)
from netless_rooms.operations import check_region, check_uuid
from samples import UUID

LETTERS = string.ascii_letters + string.digits + "-_"
UUIDS = st.one_of(
    st.uuids(version=1).map(lambda uuid: uuid.hex),
    st.text(LETTERS, min_size=1, max_size=128).filter(lambda text: is_accepted(check_uuid, "uuid", text)),
)
REGIONS = st.text([chr(code) for code in range(0x21, 0x7F)], min_size=1, max_size=20).filter(
    lambda text: is_accepted(check_region, text)
)
CHECKPOINTS = st.builds(
    Checkpoint,
    region=REGIONS,
    mode=st.sampled_from(ScanMode),
    account=st.none() | st.text(max_size=9).map(account_of),
    ranges=st.lists(st.builds(Range, st.none() | UUIDS, st.none() | UUIDS), max_size=6).map(tuple),
    known=st.lists(UUIDS, max_size=MOST_KNOWN).map(tuple),
)
FULL = Checkpoint(
    region="us-sv",
    mode=ScanMode.SHARDS,
    account=account_of("team"),
    ranges=(Range(None, "11"), Range("22", "33"), Range("44")),
    known=("11", "44"),
)


def is_accepted(check: Any, *arguments: str) -> bool:
    try:
        check(*arguments)
    except ValueError:
        return False
    return True


# The text


@given(CHECKPOINTS)
@example(Checkpoint(region="~"))
@example(Checkpoint(region="a~b%7Ec,d.e"))
@example(Checkpoint(region="eu", ranges=()))
def test_what_is_written_can_be_read(checkpoint: Checkpoint) -> None:
    assert read_checkpoint("resume", str(checkpoint), checkpoint.region) == checkpoint


@given(CHECKPOINTS)
def test_the_text_is_of_few_characters(checkpoint: Checkpoint) -> None:
    assert set(str(checkpoint)) <= set(LETTERS + ".,~%")


def test_the_text_of_this_release_stays_readable() -> None:
    assert str(Checkpoint(region="us-sv")) == "scan1~us-sv~line~~.~~f18a7541"
    assert str(FULL) == "scan1~us-sv~shards~ca8b22d0db83~.11,22.33,44.~11.44~8fafa6cc"


@given(CHECKPOINTS, st.data())
def test_a_text_with_any_character_changed_is_refused(checkpoint: Checkpoint, data: st.DataObject) -> None:
    text = str(checkpoint)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(
        st.one_of(st.sampled_from(LETTERS + ".,~%"), st.characters()).filter(lambda c: c != text[at])
    )
    with pytest.raises(ValueError, match=r"^resume "):
        read_checkpoint("resume", text[:at] + other + text[at + 1 :], checkpoint.region)


def test_no_text_with_a_character_changed_left_out_or_doubled_is_read() -> None:
    text = str(FULL)
    for at, was in enumerate(text):
        for instead in {*LETTERS, *".,~% \n\x00\ud800é", "", was * 2} - {was}:
            with pytest.raises(ValueError, match=r"^known (is damaged|was made|must be)"):
                read_checkpoint("known", text[:at] + instead + text[at + 1 :], "us-sv")


@given(st.text(LETTERS + ".,~%"))
@example("")
@example("~")
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="resume must be a checkpoint of a scan"):
        read_checkpoint("resume", text, "eu")


def test_a_cut_text_is_refused() -> None:
    for end in range(len(str(FULL))):
        with pytest.raises(ValueError, match=r"^resume "):
            read_checkpoint("resume", str(FULL)[:end], "us-sv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            UUID,
            r"resume must be a checkpoint of a scan: it looks like a room's uuid, behind which walk\(after=...\)",
        ),
        ("", "resume must be a checkpoint of a scan$"),
        ("scan2~eu~line~~.~~00000000", "resume was made by another release"),
        ("scan10", "must be a checkpoint of a scan"),
        ("scan1~eu~line~~.~~00000000", "resume is damaged: a checkpoint must be kept whole"),
        ("scan1~eu~circle~~.~~6f7edee4", "resume is damaged"),  # and its check sum right
    ],
)
def test_what_is_wrong_with_a_text_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_checkpoint("resume", text, "eu")


@pytest.mark.parametrize("text", [None, 5, b"scan1", FULL])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(TypeError, match=f"resume must be a string, not {type(text).__name__}"):
        read_checkpoint("resume", text, "eu")


def test_another_region_is_refused_and_told() -> None:
    with pytest.raises(ValueError, match="resume is of the region 'us-sv', and these rooms are asked of 'eu'"):
        read_checkpoint("resume", str(FULL), "eu")


def test_the_account_is_told_by_a_digest_only() -> None:
    assert account_of("RMmxxxxx5aw") == account_of("RMmxxxxx5aw") != account_of("another")
    assert len(account_of("a")) == 12
    assert "team" not in str(FULL)


# Where to cut


@pytest.mark.parametrize(
    ("part", "is_done"),
    [
        (Range(), False),
        (Range("a"), False),
        (Range(None, "a"), False),
        (Range("a", "b"), False),
        (Range("a", "a"), True),
    ],
)
def test_a_range_is_done_when_its_last_room_came(part: Range, is_done: bool) -> None:
    assert part.is_done is is_done


@given(st.lists(UUIDS, max_size=9))
def test_ranges_follow_each_other_from_the_start_to_the_end(rooms: list[str]) -> None:
    ranges = ranges_between(rooms)
    assert len(ranges) == len(rooms) + 1
    assert ranges[0].after is None
    assert ranges[-1].through is None
    assert all(one.through == other.after for one, other in pairwise(ranges))


@given(st.integers(1, 1000))
def test_bounds_cut_the_uuids_into_equal_parts(count: int) -> None:
    cut = [int(bound, 16) for bound in bounds(count)]
    assert len(cut) == count - 1
    parts = [other - one for one, other in pairwise([0, *cut, 1 << 128])]
    assert max(parts) - min(parts) <= 1 << 98
    for bound in bounds(count):
        assert len(bound) == 32
        assert bound[12] == "1"


@given(st.integers(0, (1 << 128) - 2))
def test_behind_is_the_next_uuid(number: int) -> None:
    assert behind(f"{number:032x}") == f"{number + 1:032x}"


@pytest.mark.parametrize("uuid", ["", "f" * 32, UUID.upper(), UUID[:-1], UUID + "0", "x" * 32, UUID + "\n"])
def test_behind_what_is_no_documented_uuid_is_nothing(uuid: str) -> None:
    assert behind(uuid) is None


@pytest.mark.parametrize(
    ("asked", "first", "cut"),
    [
        ([], [], ()),
        (["2", "4"], ["3", "5"], ("3", "5")),
        (["2", "4"], ["2", "4"], ("2", "4")),
        (["2", "4"], ["5", "5"], ("5",)),
        (["2", "4"], ["3", None], ("3",)),
        (["2", "4"], [None, None], ()),
        (["2", "4"], [None, "5"], None),  # it went on, so there is no end before
        (["2", "4"], ["1", "5"], None),  # not behind what was asked
        (["2", "4"], ["3", "3"], None),
        (["2", "4"], ["7", "5"], None),  # falls
        (["2", "4", "6"], ["3", None, "7"], None),
    ],
)
def test_only_a_list_that_goes_on_at_the_next_greater_is_cut(
    asked: list[str], first: list[str | None], cut: tuple[str, ...] | None
) -> None:
    assert cuts(asked, first) == cut


@given(st.lists(UUIDS, unique=True, max_size=40).map(sorted), st.integers(1, 20))
def test_a_list_in_order_that_seeks_can_always_be_cut(uuids: list[str], count: int) -> None:
    asked = list(bounds(count))
    cut = cuts(asked, [next((uuid for uuid in uuids if uuid >= bound), None) for bound in asked])
    assert cut is not None
    assert set(cut) <= set(uuids)
    assert list(cut) == sorted(set(cut))


# Known rooms


@given(st.lists(st.integers(), unique=True).map(sorted), st.integers(0, 20))
def test_spread_keeps_so_many_in_order_and_evenly(numbers: list[int], count: int) -> None:
    uuids = [f"{place:05}" for place, _ in enumerate(numbers)]
    kept = spread(uuids, count)
    assert len(kept) == min(count, len(uuids))
    assert list(kept) == sorted(set(kept))
    parts = [int(other) - int(one) for one, other in pairwise(kept)]
    assert not parts or max(parts) - min(parts) <= 1


@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 30, 31, 32, 100, 10_000])
def test_landmarks_are_few_and_spread_over_what_was_seen(count: int) -> None:
    landmarks = Landmarks()
    uuids = [f"{place:05}" for place in range(count)]
    for uuid in uuids:
        landmarks.pass_by(uuid)
        assert len(landmarks.kept) <= 2 * MOST_KNOWN
    few = landmarks.few()
    assert set(few) <= set(uuids)
    assert list(few) == sorted(set(few))
    assert len(few) == min(count, MOST_KNOWN)
    gaps = [int(other) - int(one) for one, other in pairwise([-1, *map(int, few), count])]
    assert max(gaps) <= 1 + count // 4


def test_landmarks_of_ranges_at_once_are_in_order_and_come_once() -> None:
    landmarks = Landmarks(["b"])
    for uuid in ["c", "a", "c", "b"]:
        landmarks.pass_by(uuid)
    assert landmarks.few() == ("a", "b", "c")
