"""The commands ``token sdk``, ``token room``, ``token task`` and ``token read``."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from attrs import asdict
from cyclopts import App, Parameter, Token

from netless_rooms._api.decoding import format_time
from netless_rooms._auth.environment import from_environment
from netless_rooms._auth.tokens import AccessKey, Role, read_token, verify_token
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.export import Columns, show_one
from netless_rooms.cli.output import put, read_input
from netless_rooms.errors import TokenError

FIELDS: Final = ("kind", "role", "uuid", "access_key", "expires_at", "is_expired", "signature", "nonce")


def parse_lifetime(_: object, tokens: Sequence[Token]) -> timedelta:
    text = tokens[0].value
    if lifetime := flags.parse_duration(text):
        return lifetime
    raise ValueError(f"{text!r} is not a lifetime: use 1 to 999999 and s, m, h or d, such as 10m for 10 minutes")


ROLE_HELP: Final = "What it permits; use the least that is enough."
RoleFlag = Annotated[Role, Parameter(metavar="admin|writer|reader", show_choices=False, help=ROLE_HELP)]
LIFETIME_HELP: Final = "From now, such as 90s, 2h or 7d; default 10m."
LifetimeFlag = Annotated[
    timedelta, Parameter(converter=parse_lifetime, metavar="TIME", show_default=False, help=LIFETIME_HELP)
]
TEN_MINUTES: Final = timedelta(minutes=10)
HELP: Final = "Print a new token for {}.\n\nExample: netless-rooms token {}"

app: Final = App(name="token", help="Create a token from the access key, or read one.")


@app.command(help=HELP.format("the whole project", "sdk --role admin --lifetime 1h"))
def sdk(
    *, role: RoleFlag, lifetime: LifetimeFlag = TEN_MINUTES, key: flags.KeyFlags = flags.KEY_FROM_ENVIRONMENT
) -> None:
    put(f"{_access_key(key).sdk_token(role=role, lifetime=lifetime)}\n")


def _for_one(kind: str, noun: str, sign: Callable[..., str]) -> None:
    """Add the command for a token of one room or task, which a method of ``AccessKey`` signs."""

    @app.command(name=kind, help=HELP.format(f"one {noun}", f"{kind} --role reader UUID"))
    def command(
        uuid: Annotated[flags.Uuid, Parameter(help=f"The uuid of the {noun}.")],
        /,
        *,
        role: RoleFlag,
        lifetime: LifetimeFlag = TEN_MINUTES,
        key: flags.KeyFlags = flags.KEY_FROM_ENVIRONMENT,
    ) -> None:
        put(f"{sign(_access_key(key), uuid, role=role, lifetime=lifetime)}\n")


_for_one("room", "room", AccessKey.room_token)
_for_one("task", "file-conversion task", AccessKey.task_token)


@app.command
def read(*, format: flags.FormatFlag = None) -> None:  # noqa: A002  the flag's own name
    """Show what is in a token: the one on stdin, or else NETLESS_TOKEN.

    Its signature is checked if NETLESS_SECRET_KEY is set.

    Example: netless-rooms token read < token
    """
    try:
        piped = "" if sys.stdin.isatty() else read_input(1 << 16).strip()  # many times a token
    except UnicodeDecodeError:
        raise CommandError(ExitCode.TOKEN, "the input is not a token") from None
    text = piped or from_environment("token")
    if text is None:
        raise CommandError(ExitCode.SETTINGS, "pipe a token in, or set NETLESS_TOKEN")
    info, secret_key, signature = read_token(text), from_environment("secret_key"), "not checked"
    if secret_key is not None:
        try:
            verify_token(text, secret_key)
            signature = "valid"
        except TokenError:
            signature = "invalid"
    row = {
        **asdict(info),
        "kind": str(info.kind),
        "role": info.role.name.lower(),
        "expires_at": info.expires_at and format_time(info.expires_at),
        "is_expired": info.expires_at is not None and info.expires_at <= datetime.now(UTC),
        "signature": signature,
    }
    show_one({name: row[name] for name in FIELDS}, Columns(fields=FIELDS), format)


def _access_key(given: flags.KeyFlags) -> AccessKey:
    key = flags.access_key_of(given)
    if key is None:
        missing = "set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY: tokens are signed with them"
        raise CommandError(ExitCode.SETTINGS, missing)
    return key
