"""The bot: the real application, with a Telegram in its place that notes what is sent."""

import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from telegram import Update
from telegram.request import RequestData

import whiteboard_bot
from commands import start, watch_clients
from netless_rooms import RateLimitedError, Role, TokenKind, TransportError, verify_token
from netless_rooms.emulator import Closed, Emulator, Failure, Fault
from settings import Settings, for_emulator
from whiteboard_bot import HELP, Terminal, Whiteboards, build, typed

pytestmark = pytest.mark.anyio
JOIN_URL = "https://boards.example/join"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # telegram runs on nothing else


class Telegram(Terminal):
    """Notes the answers, and to whom they went."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *others: object, **more: object
    ) -> tuple[int, bytes]:
        if url.endswith("sendMessage"):
            assert request_data is not None
            assert request_data.parameters["chat_id"] == whiteboard_bot.CHAT["id"]
            self.sent.append(str(request_data.parameters["text"]))
        return await super().do_request(url, method, request_data, *others, **more)


async def answers_to(chosen: Settings, *updates: dict[str, Any], join_url: str | None = None) -> list[str]:
    """Return what the bot answers to some updates."""
    bot, telegram = Whiteboards(chosen, join_url=join_url), Telegram()
    application = build(bot, token="0:none", request=telegram)
    async with application:
        await bot.open(application)
        for update in updates:
            await application.process_update(Update.de_json(update, application.bot))
        await bot.close(application)
    return telegram.sent


async def test_whiteboard_opens_a_room_and_answers_with_what_to_join(netless_emulator: Emulator) -> None:
    (answer,) = await answers_to(for_emulator(netless_emulator), typed("/whiteboard"))
    (uuid,) = netless_emulator.uuids()
    token = re.search(r"(?m)^token: (\S+)$", answer)
    assert f"\nroom: {uuid}\n" in answer
    assert token
    info = verify_token(token[1], netless_emulator.key.secret_key)
    assert (info.kind, info.uuid, info.role) == (TokenKind.ROOM, uuid, Role.WRITER)
    assert info.expires_at is not None


async def test_a_link_holds_both_behind_the_hash(netless_emulator: Emulator) -> None:
    (answer,) = await answers_to(for_emulator(netless_emulator), typed("/whiteboard"), join_url=JOIN_URL)
    link = urlsplit(answer.split()[-1])
    assert f"{link.scheme}://{link.netloc}{link.path}{link.query}" == JOIN_URL
    holds = parse_qs(link.fragment)
    assert holds["room"] == list(netless_emulator.uuids())
    assert verify_token(holds["token"][0], netless_emulator.key.secret_key).uuid == holds["room"][0]


async def test_each_chat_gets_its_own_room_over_one_client(netless_emulator: Emulator, monkeypatch: Any) -> None:
    opened = watch_clients(monkeypatch)
    answers = await answers_to(for_emulator(netless_emulator), *[typed("/whiteboard")] * 3)
    assert len(set(answers)) == netless_emulator.room_count == 3
    (client,) = opened
    assert client.is_closed


async def test_whatever_else_is_said_is_answered_with_help(netless_emulator: Emulator) -> None:
    corrected = typed("/whiteboard")
    corrected["edited_message"] = corrected.pop("message")
    lines = map(typed, ("/start", "/help", "hello", "/nonsense"))
    assert await answers_to(for_emulator(netless_emulator), corrected, *lines) == [HELP] * 4
    assert netless_emulator.requests == []


FAULTS: list[tuple[Fault, str]] = [
    (Failure(429, retry_after=600), "Please try again in 600 seconds."),
    (Failure(503, retry_after=600), "Please send /whiteboard once more."),
    *((Closed(work_done=True), "Please send /whiteboard once more."), (Failure(400), "Something went wrong.")),
]


async def test_an_error_is_answered_politely_and_logged(netless_emulator: Emulator, caplog: Any) -> None:
    for fault, text in FAULTS:
        caplog.clear()
        netless_emulator.faults.append(fault)
        answer, later = await answers_to(for_emulator(netless_emulator), *[typed("/whiteboard")] * 2)
        assert text in answer
        assert "room: " in later
        assert [each for each in caplog.records if (each.name, each.levelno) == ("whiteboard_bot", logging.ERROR)]
        assert "NETLESS" not in answer + caplog.text


def test_what_never_got_through_is_answered_politely_too() -> None:
    slowly = RateLimitedError("slowly", 429, method="POST", path="/v5/rooms")
    assert "try again in a minute" in whiteboard_bot.message_for(slowly)
    assert "are unavailable" in whiteboard_bot.message_for(TransportError("no way", method="POST", path="/"))


def test_the_command_answers_what_is_typed_until_its_end(tmp_path: Path) -> None:
    with start("whiteboard_bot.py", "--emulator", cwd=tmp_path) as bot:
        out, err = bot.communicate("/whiteboard\nhello\n")
    assert (bot.returncode, err) == (0, "")
    assert "bot: Your whiteboard is open." in out
    assert f"bot: {HELP}" in out
    assert "\ntoken: NETLESSROOM_" in out
