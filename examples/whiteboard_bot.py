"""A Telegram bot: ``/whiteboard`` opens a room and answers with what to join.

Without an account of either service, in this terminal, where you type what people would write to the bot, from a
clone of the project:

    python3 -m pip install '.[emulator]' python-telegram-bot
    python3 examples/whiteboard_bot.py --emulator

With a bot and a project of yours, set ``TELEGRAM_BOT_TOKEN`` and the variables that ``settings.py`` names, and
leave out ``--emulator``; the extra is not needed then.  If ``WHITEBOARD_JOIN_URL`` is the address of a page that
joins a room, the bot answers with a link to it.

The answer holds a room token: whoever is in the chat may draw in that room, for as long as the token is good.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from math import ceil
from typing import Any
from urllib.parse import urlencode

import httpx
from telegram import Update
from telegram.ext import Application, CommandHandler, ContextTypes, MessageHandler, filters
from telegram.request import BaseRequest, RequestData

import settings
from netless_rooms import (
    AsyncRooms,
    CreateOutcomeUnknownError,
    RateLimitedError,
    Role,
    RoomsError,
    ServerError,
    TransportError,
)

TO_JOIN = timedelta(hours=1)
PATIENCE = 20  # seconds that somebody who asked for a room waits
AT_ONCE = 8  # people who are served at the same time

HELP = "Send /whiteboard, and I open a whiteboard for this chat."

log = logging.getLogger("whiteboard_bot")

Bot = Application[Any, Any, Any, Any, Any, Any]  # what it is generic over is not used here


class Whiteboards:
    """What the bot does.  All chats share one HTTP client, which is there from ``open`` to ``close``."""

    _client: httpx.AsyncClient
    _rooms: AsyncRooms

    def __init__(self, chosen: settings.Settings, *, join_url: str | None = None) -> None:
        self._chosen = chosen
        self._join_url = join_url

    async def open(self, _: Bot) -> None:
        """Open the client, in the event loop in which the bot runs."""
        self._client = self._chosen.open_client()
        self._rooms = self._chosen.rooms(self._client, deadline=PATIENCE)

    async def close(self, _: Bot) -> None:
        """Close the client, after the last chat."""
        await self._client.aclose()

    async def help(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        """Answer ``/start`` and ``/help``, and whatever else somebody says to the bot alone."""
        await answer(update, HELP)

    async def whiteboard(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        """Answer ``/whiteboard``."""
        room = await self._rooms.create()
        ticket = self._chosen.key.room_token(room.uuid, role=Role.WRITER, lifetime=TO_JOIN)
        await answer(update, self._invitation(room.uuid, ticket))

    def _invitation(self, uuid: str, ticket: str) -> str:
        how_long = f"You have {TO_JOIN // timedelta(minutes=1)} minutes to join."
        if self._join_url is None:
            return f"Your whiteboard is open. {how_long}\n\nroom: {uuid}\ntoken: {ticket}"
        # Behind the #, where it stays in the browser and out of the logs of every server on the way.
        return (
            f"Your whiteboard is open. {how_long}\n\n{self._join_url}#{urlencode({'room': uuid, 'token': ticket})}"
        )


async def answer(update: Update, words: str) -> None:
    """Answer a message."""
    if update.message is not None:
        await update.message.reply_text(words)


async def sorry(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """Tell whoever asked, politely, and the log in full."""
    error = context.error
    if isinstance(error, RoomsError):
        log.error("%s: %s", type(error).__name__, error)  # no token is in these words
    else:
        log.error("a fault in the bot", exc_info=error)
    if isinstance(update, Update):
        await answer(update, polite(error))


def polite(error: Exception | None) -> str:
    """Return what to say about an error."""
    match error:
        case RateLimitedError(retry_after=float(seconds)):
            return f"Too many whiteboards are being opened just now. Please try again in {ceil(seconds)} seconds."
        case RateLimitedError():
            return "Too many whiteboards are being opened just now. Please try again in a minute."
        case CreateOutcomeUnknownError():  # a room too many does no harm: it stays empty
            return "I asked for a whiteboard and got no answer, sorry. Please send /whiteboard once more."
        case TransportError() | ServerError():
            return "The whiteboards cannot be reached just now, sorry. Please try again in a few minutes."
        case _:
            return "That went wrong, sorry. It is my fault and not yours, and has been noted."


def build(bot: Whiteboards, *, token: str, request: BaseRequest | None = None) -> Bot:
    """Return the application; with ``request``, everything that it says to Telegram goes there."""
    builder = Application.builder().token(token).concurrent_updates(AT_ONCE)
    builder = builder.post_init(bot.open).post_shutdown(bot.close)
    if request is not None:
        builder = builder.request(request).get_updates_request(request)
    application: Bot = builder.build()
    new = filters.UpdateType.MESSAGE  # a message that somebody corrects asks for nothing more
    application.add_handler(CommandHandler(["start", "help"], bot.help, new))
    application.add_handler(CommandHandler("whiteboard", bot.whiteboard, new))
    application.add_handler(MessageHandler(filters.ChatType.PRIVATE & new, bot.help))
    application.add_error_handler(sorry)
    return application


# The bot in a terminal: the same application, and in the place of Telegram somebody who types

ME = {"id": 1, "is_bot": True, "first_name": "Whiteboards", "username": "whiteboard_bot"}
YOU = {"id": 2, "is_bot": False, "first_name": "You"}
CHAT = {"id": 2, "type": "private", "first_name": "You"}


class Terminal(BaseRequest):
    """Prints what would be sent to Telegram, and answers as Telegram does."""

    read_timeout = None

    async def initialize(self) -> None:
        """Do nothing: there is nothing to open."""

    async def shutdown(self) -> None:
        """Do nothing."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: object, **__: object
    ) -> tuple[int, bytes]:
        """Carry out one call of Telegram's API, of those that this bot makes."""
        called = url.rpartition("/")[2]
        if called == "getMe":
            result: object = ME
        elif called == "sendMessage" and request_data is not None:
            text = str(request_data.parameters["text"])
            print(f"bot: {text}")
            result = message(text)
        else:
            return 404, json.dumps({"ok": False, "description": f"no {method} {called} in a terminal"}).encode()
        return 200, json.dumps({"ok": True, "result": result}).encode()


def message(text: str) -> dict[str, object]:
    """Return a message as Telegram spells it."""
    return {"message_id": 1, "date": int(time.time()), "chat": CHAT, "text": text}


def typed(line: str) -> dict[str, object]:
    """Return the update that Telegram would send for a line."""
    entities = [{"type": "bot_command", "offset": 0, "length": len(line.split()[0])}] if line[:1] == "/" else []
    return {"update_id": 1, "message": {**message(line), "from": YOU, "entities": entities}}


async def talk(bot: Whiteboards, lines: Iterable[str]) -> None:
    """Let the bot answer each line."""
    application = build(bot, token="0:none", request=Terminal())  # noqa: S106 - nobody asks for it here
    async with application:
        await bot.open(application)
        try:
            for line in lines:
                await application.process_update(Update.de_json(typed(line), application.bot))
        finally:
            await bot.close(application)


def typed_lines() -> Iterator[str]:
    """Read lines from the terminal until its end."""
    # Nothing else goes on while somebody types, so this may block the loop.  Ctrl-C is to end it at once, while
    # asyncio would have it wait for the end of the line.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while True:
        try:
            yield input("you: ").strip()
        except EOFError:
            print()
            return


def main() -> None:
    """Run the bot until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A Telegram bot that opens whiteboards.")
    settings.add_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    # httpx logs the address of every request, and Telegram's addresses hold the bot's token.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        bot = Whiteboards(settings.chosen(arguments, rooms=0), join_url=os.environ.get("WHITEBOARD_JOIN_URL"))
    except settings.SettingsError as wrong:
        parser.error(str(wrong))
    if arguments.emulator:
        print(f"{HELP} Ctrl-D ends.")
        try:
            asyncio.run(talk(bot, typed_lines()))
        except KeyboardInterrupt:
            print()
        return
    if not os.environ.get("TELEGRAM_BOT_TOKEN"):
        parser.error("set TELEGRAM_BOT_TOKEN in the environment, or try it out with --emulator")
    build(bot, token=os.environ["TELEGRAM_BOT_TOKEN"]).run_polling()


if __name__ == "__main__":
    main()
