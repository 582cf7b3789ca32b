"""The commands that need no account: ``emulate`` and ``demo``."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from shlex import quote
from typing import Annotated, Any, Final

import anyio
from attrs import fields
from cyclopts import Parameter, validators

from netless_rooms.cli.arguments import NotNegative
from netless_rooms.cli.exits import CommandError, Exit
from netless_rooms.cli.progress import count
from netless_rooms.cli.terminal import put, say
from netless_rooms.models import Region

WORDS: Final = {"true": True, "false": False}


async def emulate(
    *,
    rooms: Annotated[NotNegative, Parameter(help="How many rooms it has; 1000.")] = 1000,
    port: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=65535), help="0 takes a free one; 8765.")
    ] = 8765,
    host: Annotated[str, Parameter(help="Where to listen; 127.0.0.1, which is this machine only.")] = "127.0.0.1",
    quirk: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", metavar="NAME=VALUE", help="Another reading, such as cursor=exclusive; may be repeated."
        ),
    ] = (),
) -> None:
    """Serve an emulated service until Ctrl-C, and print what to set in another terminal."""
    try:
        from netless_rooms.emulator import Emulator, Quirks
    except ImportError as error:
        raise CommandError(Exit.SETTINGS, str(error)) from None
    try:
        emulator = Emulator(
            rooms=rooms, quirks=Quirks(**_chosen(quirk, {each.name: each.default for each in fields(Quirks)}))
        )
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from None
    if not _is_loopback(host):
        say("warning: others can reach it, its key is known to everybody, and nothing is encrypted")
    try:
        async with emulator.serve(host=host, port=port) as base_url:
            put(exports(base_url, emulator.key.access_key, emulator.key.secret_key))
            say(f"{count(rooms, 'room')} on {base_url}; put the lines above into another terminal; Ctrl-C ends it")
            await anyio.sleep_forever()
    except RuntimeError as error:
        raise CommandError(Exit.SETTINGS, str(error)) from None


def exports(base_url: str, access_key: str, secret_key: str) -> str:
    """Return the lines that set everything for a shell."""
    settings = {
        "BASE_URL": base_url,
        "ACCESS_KEY": access_key,
        "SECRET_KEY": secret_key,
        "REGION": Region.US_SV.value,
    }
    return "".join(f"export NETLESS_{name}={quote(value)}\n" for name, value in settings.items())


def demo() -> int:
    """Show the main job at work on an emulated service."""
    try:
        from netless_rooms.demo import main
    except ImportError as error:
        raise CommandError(Exit.SETTINGS, str(error)) from None
    return main()


def _chosen(quirks: Sequence[str], usual: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for text in quirks:
        name, _, value = text.partition("=")
        if name not in usual:
            raise ValueError(f"there is no quirk {name!r}: take one of {', '.join(usual)}")
        chosen[name] = _read(name, value, usual[name])
    return chosen


def _read(name: str, text: str, usual: Any) -> Any:
    """Return the value of a quirk, of the kind that it usually has."""
    if isinstance(usual, bool):
        if text not in WORDS:
            raise ValueError(f"write {name}=true or {name}=false")
        return WORDS[text]
    if usual is None:
        if not re.fullmatch("[0-9]{1,4}", text):
            raise ValueError(f"write {name}=NUMBER, such as {name}=50")
        return int(text)
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
