"""The command ``emulate``: an emulated service on a local port."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from shlex import quote
from typing import Annotated, Any, Final

import anyio
from attrs import asdict, fields_dict
from cyclopts import Parameter, validators

from netless_rooms._auth.environment import from_environment
from netless_rooms._auth.tokens import AccessKey
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import count, put, say

PUBLIC_SECRET: Final = "emulated-secret-key"  # noqa: S105  the default of the emulator
QUIRK: Final = Parameter(negative="", metavar="NAME=VALUE", help="Other behaviour: cursor=exclusive; repeatable.")
FAULT: Final = Parameter(negative="", metavar="FAULT", help="Fail a request: Failure=503,on=list; repeatable.")
Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]


class RequestLog(list[Any]):
    """The requests of an emulator, each shown on stderr when it is recorded."""

    def append(self, request: Any) -> None:
        super().append(request)
        query = f"?{request.query}" * bool(request.query)
        say(f"{request.method} {request.path}{query}: {request.status or 'no response'}")


async def emulate(
    *,
    rooms: Annotated[flags.NotNegative, Parameter(help="How many rooms it has; default 1000.")] = 1000,
    port: Annotated[Port, Parameter(alias="-p", help="Default 8765; 0 picks a free port.")] = 8765,
    host: Annotated[str, Parameter(help="The address to listen on; default 127.0.0.1.")] = "127.0.0.1",
    quirk: Annotated[tuple[str, ...], QUIRK] = (),
    fault: Annotated[tuple[str, ...], FAULT] = (),
    verbose: Annotated[bool, Parameter(alias="-v", negative="", help="Log each request on stderr.")] = False,
    key: flags.KeyFlags = flags.KEY_FROM_ENVIRONMENT,
) -> None:
    emulator = _emulator(rooms, quirk, fault, flags.access_key_of(key))
    if verbose:
        emulator.requests = RequestLog()
    if host != "localhost" and not re.fullmatch(r"127(\.\d+){3}|::1", host):
        say("warning: other machines can reach it, its key may be public, and nothing is encrypted")
    try:
        async with emulator.serve(host=host, port=port) as base_url:
            put(exports(base_url, emulator.key))
            say(f"{count(rooms, 'room')} on {base_url}; run the lines above in another terminal; Ctrl-C stops it")
            await anyio.sleep_forever()
    except RuntimeError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None


def exports(base_url: str, key: AccessKey) -> str:
    """Return the lines that set everything in a shell, without a secret that the environment already has."""
    settings = {"BASE_URL": base_url, "ACCESS_KEY": key.access_key, "SECRET_KEY": key.secret_key}
    if key.secret_key == from_environment("secret_key") != PUBLIC_SECRET:
        del settings["SECRET_KEY"]
    return "".join(
        f"export NETLESS_{name}={quote(value)}\n" for name, value in {**settings, "REGION": "us-sv"}.items()
    )


def _emulator(rooms: int, quirks: Sequence[str], faults: Sequence[str], key: AccessKey | None) -> Any:
    try:
        from netless_rooms.emulator import Emulator, Quirks
        from netless_rooms.emulator.faults import parse_fault
    except ImportError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None
    options: dict[str, Any] = {} if key is None else asdict(key)
    known, given = fields_dict(Quirks), dict[str, Any]()
    try:
        for text in quirks:
            name, _, value = text.partition("=")
            if name not in known:
                raise ValueError(f"unknown quirk {name!r}: use one of {', '.join(known)}")
            given[name] = value
            with suppress(ValueError):  # a word
                given[name] = json.loads(value)
        options["faults"] = [parse_fault(text) for text in faults]
        return Emulator(rooms=rooms, quirks=Quirks(**given), **options)
    except (ValueError, TypeError) as error:
        raise CommandError(ExitCode.USAGE, str(error)) from None
