"""Checkpoints, as values and as text, and where a list can be split."""

import string
from itertools import pairwise
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hypothesis_profiles import examples
from netless_rooms._listing.checkpoints import (
    MAX_SPLIT_POINTS,
    Checkpoint,
    Range,
    ScanMode,
    SplitPointSampler,
    account_of,
    next_uuid,
    ranges_between,
    read_checkpoint,
    split_candidates,
    split_points,
    spread,
)
from samples import UUID

law = examples(20, many=500)
LETTERS = string.ascii_letters + string.digits + "-_"
UUIDS = st.one_of(
    st.uuids(version=1).map(lambda uuid: uuid.hex), st.from_regex("[A-Za-z0-9][A-Za-z0-9_-]{0,40}", fullmatch=True)
)
CHECKPOINTS = st.builds(
    Checkpoint,
    region=st.text([chr(code) for code in range(0x21, 0x7F)], min_size=1, max_size=20),
    mode=st.sampled_from(ScanMode),
    account=st.none() | st.text(max_size=9).map(account_of),
    ranges=st.lists(st.builds(Range, st.none() | UUIDS, st.none() | UUIDS), max_size=6).map(tuple),
    samples=st.lists(UUIDS, max_size=MAX_SPLIT_POINTS).map(tuple),
)
FULL = Checkpoint(
    region="us-sv",
    mode=ScanMode.SHARDS,
    account=account_of("team"),
    ranges=(Range(None, "11"), Range("22", "33"), Range("44")),
    samples=("11", "44"),
)


# The text


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


def test_the_text_of_this_release_stays_readable() -> None:
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UUID, r"resume must be a checkpoint of a scan: it looks like a room's uuid, .* walk\(after=...\)"),
        ("", "resume must be a checkpoint of a scan$"),
        ("~", "resume must be a checkpoint of a scan$"),
        ("scan2~eu~sequential~~.~~00000000", "resume was made by another release"),
        ("scan10", "must be a checkpoint of a scan"),
        ("scan1~eu~sequential~~.~~00000000", "resume is damaged: a checkpoint must be kept whole"),
        ("scan1~eu~circle~~.~~6f7edee4", "resume is damaged"),  # with the right checksum
        (
            "scan1~eu~sequential~~.~~x~ee35f427",
            "resume is damaged",
        ),  # a field too many
        (str(FULL), "resume is of the region 'us-sv', but these rooms are in 'eu'"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_text(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_checkpoint("resume", text, "eu")


@pytest.mark.parametrize("text", [None, b"scan1", FULL], ids=repr)
def test_only_a_string_can_be_a_checkpoint(text: Any) -> None:
    with pytest.raises(TypeError, match=f"resume must be a string, not {type(text).__name__}"):
        read_checkpoint("resume", text, "eu")


@pytest.mark.parametrize("fields", ["x/y.~", ".x/y~", ".~x/y"], ids=["after", "last_uuid", "samples"])
def test_uuids_in_a_text_are_checked(fields: str) -> None:
    body = f"scan1~eu~sequential~~{fields}"
    with pytest.raises(ValueError, match=r"resume must be letters, .* not 'x/y'"):
        read_checkpoint("resume", f"{body}~{crc32(body.encode()):08x}", "eu")


def test_the_account_is_kept_as_a_digest_only() -> None:
    assert account_of("RMmxxxxx5aw") == account_of("RMmxxxxx5aw") != account_of("another")
    assert len(account_of("a")) == 12
    assert "team" not in str(FULL)


# Ranges


@pytest.mark.parametrize(
    ("part", "is_done"),
    [
        (Range(), False),
        (Range("a"), False),
        (Range(None, "a"), False),
        (Range("a", "b"), False),
        (Range("a", "a"), True),
    ],
    ids=repr,
)
def test_a_range_is_done_after_its_last_room(part: Range, is_done: bool) -> None:
    assert part.is_done is is_done


def test_ranges_follow_each_other_from_the_start_to_the_end() -> None:
    assert ranges_between([]) == (Range(),)
    assert ranges_between(["a", "b"]) == (Range(None, "a"), Range("a", "b"), Range("b"))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
def test_candidates_split_the_uuids_into_equal_parts(count: int) -> None:
    uuids = split_candidates(count)
    numbers = [int(uuid, 16) for uuid in uuids]
    parts = [other - one for one, other in pairwise([0, *numbers, 1 << 128])]
    assert len(parts) == count
    assert max(parts) - min(parts) <= 1 << 98
    assert all(len(uuid) == 32 and uuid[12] == "1" for uuid in uuids)


@pytest.mark.parametrize(
    ("uuid", "following"),
    [
        ("0" * 32, "0" * 31 + "1"),
        ("0" * 30 + "ff", "0" * 29 + "100"),
        ("f" * 31 + "e", "f" * 32),
        ("f" * 32, None),
        ("", None),
        (UUID.upper(), None),
        (UUID[:-1], None),
        (UUID + "0", None),
        ("x" * 32, None),
        (UUID + "\n", None),
    ],
)
def test_only_a_documented_uuid_has_a_next_one(uuid: str, following: str | None) -> None:
    assert next_uuid(uuid) == following


@pytest.mark.parametrize(
    ("candidates", "found", "points"),
    [
        ("", [], ()),
        ("24", ["3", "5"], ("3", "5")),
        ("24", ["2", "4"], ("2", "4")),
        ("24", ["5", "5"], ("5",)),
        ("24", ["3", None], ("3",)),
        ("24", [None, None], ()),
        ("24", [None, "5"], None),  # the list goes on, so it cannot have ended before
        ("24", ["1", "5"], None),  # before what was asked for
        ("24", ["3", "3"], None),
        ("24", ["7", "5"], None),  # falls
        ("246", ["3", None, "7"], None),
    ],
)
def test_only_a_list_that_continues_at_the_next_greater_uuid_is_split(
    candidates: str, found: list[str | None], points: tuple[str, ...] | None
) -> None:
    assert split_points(list(candidates), found) == points


# Sampled rooms


@law
@given(st.integers(0, 200), st.integers(0, 20))
@example(16, 15)
@example(15, 15)
def test_spread_keeps_that_many_in_order_and_evenly(length: int, count: int) -> None:
    uuids = [f"{place:05}" for place in range(length)]
    kept = spread(uuids, count)
    assert len(kept) == min(count, len(uuids))
    assert list(kept) == sorted(set(kept))
    if length > count:
        parts = [other - one for one, other in pairwise([0, *map(int, kept), length])]
        assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 30, 31, 32, 1000])
def test_samples_are_few_and_spread_over_the_rooms_seen(count: int) -> None:
    sampler = SplitPointSampler()
    uuids = [f"{place:05}" for place in range(count)]
    for uuid in uuids:
        sampler.observe(uuid)
        assert len(sampler.kept) <= 2 * MAX_SPLIT_POINTS == 30
    samples = sampler.sample()
    assert set(samples) <= set(uuids)
    assert list(samples) == sorted(set(samples))
    assert len(samples) == min(count, MAX_SPLIT_POINTS)
    gaps = [int(other) - int(one) for one, other in pairwise([-1, *map(int, samples), count])]
    assert max(gaps) <= 1 + count // 4


def test_samples_of_concurrent_ranges_are_sorted_and_unique() -> None:
    sampler = SplitPointSampler(["b"])
    for uuid in ["c", "a", "c", "b"]:
        sampler.observe(uuid)
    assert sampler.sample() == ("a", "b", "c")
