"""A Telegram bot: ``/whiteboard`` creates a room and answers with its uuid and a room token.

Without any account, in a terminal where you type the messages, from a clone of the project:

    python3 -m pip install '.[emulator]' python-telegram-bot
    python3 examples/whiteboard_bot.py --emulator

With your own bot and project, set ``TELEGRAM_BOT_TOKEN`` and the variables that ``settings.py`` names, and leave
out ``--emulator``; the extra is not needed then.  If ``WHITEBOARD_JOIN_URL`` is the address of a page that joins a
room, the bot answers with a link to it.

The answer contains a room token: everyone in the chat may draw in that room until the token expires.
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

JOIN_LIFETIME = timedelta(hours=1)
DEADLINE = 20  # seconds for a call with its retries
CONCURRENCY = 8  # updates handled at once

HELP = "Send /whiteboard to open a whiteboard for this chat."

log = logging.getLogger("whiteboard_bot")

Bot = Application[Any, Any, Any, Any, Any, Any]  # what it is generic over is not used here


class Whiteboards:
    """The bot's handlers.  All chats share one HTTP client, open from ``open`` to ``close``."""

    _client: httpx.AsyncClient
    _rooms: AsyncRooms

    def __init__(self, chosen: settings.Settings, *, join_url: str | None = None) -> None:
        self._chosen = chosen
        self._join_url = join_url

    async def open(self, _: Bot) -> None:
        """Open the client, in the event loop in which the bot runs."""
        self._client = self._chosen.open_client()
        self._rooms = self._chosen.rooms(self._client, deadline=DEADLINE)

    async def close(self, _: Bot) -> None:
        """Close the client, after the last chat."""
        await self._client.aclose()

    async def help(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        """Answer ``/start``, ``/help`` and any other private message."""
        await answer(update, HELP)

    async def whiteboard(self, update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        """Answer ``/whiteboard``."""
        room = await self._rooms.create()
        ticket = self._chosen.key.room_token(room.uuid, role=Role.WRITER, lifetime=JOIN_LIFETIME)
        await answer(update, self._invitation(room.uuid, ticket))

    def _invitation(self, uuid: str, ticket: str) -> str:
        how_long = f"You have {JOIN_LIFETIME // timedelta(minutes=1)} minutes to join."
        if self._join_url is None:
            return f"Your whiteboard is open. {how_long}\n\nroom: {uuid}\ntoken: {ticket}"
        # After the #, because browsers do not send that part to servers.
        return (
            f"Your whiteboard is open. {how_long}\n\n{self._join_url}#{urlencode({'room': uuid, 'token': ticket})}"
        )


async def answer(update: Update, text: str) -> None:
    """Answer a message."""
    if update.message is not None:
        await update.message.reply_text(text)


async def report_error(update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """Answer the user, and log the error in full."""
    error = context.error
    if isinstance(error, RoomsError):
        log.error("%s: %s", type(error).__name__, error)  # contains no token
    else:
        log.error("a fault in the bot", exc_info=error)
    if isinstance(update, Update):
        await answer(update, message_for(error))


def message_for(error: Exception | None) -> str:
    """Return the answer to the user for an error."""
    match error:
        case RateLimitedError(retry_after=float(seconds)):
            return f"Too many whiteboards are being opened. Please try again in {ceil(seconds)} seconds."
        case RateLimitedError():
            return "Too many whiteboards are being opened. Please try again in a minute."
        case CreateOutcomeUnknownError():  # an unused room does no harm
            return "I got no answer. Please send /whiteboard once more."
        case TransportError() | ServerError():
            return "The whiteboards are unavailable. Please try again in a few minutes."
        case _:
            return "Something went wrong. It has been logged."


def build(bot: Whiteboards, *, token: str, request: BaseRequest | None = None) -> Bot:
    """Return the application; ``request`` replaces the connection to Telegram."""
    builder = Application.builder().token(token).concurrent_updates(CONCURRENCY)
    builder = builder.post_init(bot.open).post_shutdown(bot.close)
    if request is not None:
        builder = builder.request(request).get_updates_request(request)
    application: Bot = builder.build()
    new = filters.UpdateType.MESSAGE  # not an edited message
    application.add_handler(CommandHandler(["start", "help"], bot.help, new))
    application.add_handler(CommandHandler("whiteboard", bot.whiteboard, new))
    application.add_handler(MessageHandler(filters.ChatType.PRIVATE & new, bot.help))
    application.add_error_handler(report_error)
    return application


# The bot in a terminal: the same application, with typed messages instead of Telegram

ME = {"id": 1, "is_bot": True, "first_name": "Whiteboards", "username": "whiteboard_bot"}
YOU = {"id": 2, "is_bot": False, "first_name": "You"}
CHAT = {"id": 2, "type": "private", "first_name": "You"}


class Terminal(BaseRequest):
    """Prints what would be sent to Telegram, and responds as Telegram does."""

    read_timeout = None

    async def initialize(self) -> None:
        """Do nothing: there is nothing to open."""

    async def shutdown(self) -> None:
        """Do nothing."""

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *_: object, **__: object
    ) -> tuple[int, bytes]:
        """Respond to one of the API calls that this bot makes."""
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
    """Return a message in Telegram's format."""
    return {"message_id": 1, "date": int(time.time()), "chat": CHAT, "text": text}


def typed(line: str) -> dict[str, object]:
    """Return the update for a typed line."""
    entities = [{"type": "bot_command", "offset": 0, "length": len(line.split()[0])}] if line[:1] == "/" else []
    return {"update_id": 1, "message": {**message(line), "from": YOU, "entities": entities}}


async def run_in_terminal(bot: Whiteboards, lines: Iterable[str]) -> None:
    """Answer each line."""
    application = build(bot, token="0:none", request=Terminal())  # noqa: S106 - not checked here
    async with application:
        await bot.open(application)
        try:
            for line in lines:
                await application.process_update(Update.de_json(typed(line), application.bot))
        finally:
            await bot.close(application)


def typed_lines() -> Iterator[str]:
    """Read lines from the terminal until Ctrl-D."""
    # Nothing else runs meanwhile, so this may block the loop.  With asyncio's own handler, Ctrl-C would wait for
    # the end of the line.
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
    # httpx logs the address of every request, and Telegram's addresses contain the bot's token.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        bot = Whiteboards(settings.chosen(arguments, rooms=0), join_url=os.environ.get("WHITEBOARD_JOIN_URL"))
    except settings.SettingsError as wrong:
        parser.error(str(wrong))
    if arguments.emulator:
        print(f"{HELP} Ctrl-D ends.")
        try:
            asyncio.run(run_in_terminal(bot, typed_lines()))
        except KeyboardInterrupt:
            print()
        return
    if not os.environ.get("TELEGRAM_BOT_TOKEN"):
        parser.error("set TELEGRAM_BOT_TOKEN in the environment, or use --emulator")
    build(bot, token=os.environ["TELEGRAM_BOT_TOKEN"]).run_polling()


if __name__ == "__main__":
    main()
