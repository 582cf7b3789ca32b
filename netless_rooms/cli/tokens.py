"""The commands ``token sdk``, ``token room``, ``token task`` and ``token read``."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from cyclopts import App, Parameter, Token

from netless_rooms._auth.tokens import Role, read_token, verify_token
from netless_rooms.cli.arguments import Uuid
from netless_rooms.cli.exits import CommandError, Exit
from netless_rooms.cli.output import FormatFlag, show_one
from netless_rooms.cli.rows import Columns, spell_time
from netless_rooms.cli.settings import KEY_FROM_ENVIRONMENT, KeyFlags, from_environment, project_key
from netless_rooms.cli.terminal import is_terminal, put
from netless_rooms.errors import TokenError

UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST: Final = 1 << 16  # characters to be read, many times what a token has
TOLD: Final = Columns(
    fields=("kind", "role", "uuid", "access_key", "expires_at", "is_expired", "signature", "nonce"), shown={}
)


def read_lifetime(_: object, tokens: "list[Token] | tuple[Token, ...]") -> timedelta:
    """Return the length of time that an argument names."""
    found = re.fullmatch("([1-9][0-9]{0,5})([smhd])", tokens[0].value)
    if found is None:
        raise ValueError("take 1 to 999999 and s, m, h or d, such as 10m for ten minutes")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def read_role(_: object, tokens: "list[Token] | tuple[Token, ...]") -> Role:
    """Return the role that an argument names."""
    try:
        return Role[tokens[0].value.upper()]
    except KeyError:
        raise ValueError("take admin, writer or reader") from None


RoleFlag = Annotated[
    Role,
    Parameter(
        converter=read_role,
        metavar="admin|writer|reader",
        show_choices=False,
        help="What it may do; take the least that will do.",
    ),
]
LifetimeFlag = Annotated[
    timedelta,
    Parameter(
        converter=read_lifetime, metavar="TIME", show_default=False, help="From now, such as 90s, 2h or 7d; 10m."
    ),
]
TEN_MINUTES: Final = timedelta(minutes=10)

app: Final = App(name="token", help="Make a token from the project's key, or read one.")


@app.command
def sdk(*, role: RoleFlag, lifetime: LifetimeFlag = TEN_MINUTES, key: KeyFlags = KEY_FROM_ENVIRONMENT) -> None:
    """Print a new token for the whole project."""
    put(f"{project_key(key).sdk_token(role=role, lifetime=lifetime)}\n")


@app.command
def room(
    uuid: Annotated[Uuid, Parameter(help="What it is for.")],
    /,
    *,
    role: RoleFlag,
    lifetime: LifetimeFlag = TEN_MINUTES,
    key: KeyFlags = KEY_FROM_ENVIRONMENT,
) -> None:
    """Print a new token for one room."""
    put(f"{project_key(key).room_token(uuid, role=role, lifetime=lifetime)}\n")


@app.command
def task(
    uuid: Annotated[Uuid, Parameter(help="What it is for.")],
    /,
    *,
    role: RoleFlag,
    lifetime: LifetimeFlag = TEN_MINUTES,
    key: KeyFlags = KEY_FROM_ENVIRONMENT,
) -> None:
    """Print a new token for one file-conversion task."""
    put(f"{project_key(key).task_token(uuid, role=role, lifetime=lifetime)}\n")


@app.command
def read(*, format: FormatFlag = None) -> None:  # noqa: A002  the flag's own name
    """Tell what a token says: one that is piped in, else NETLESS_TOKEN.

    Its signature is checked if NETLESS_SECRET_KEY is set.
    """
    text = _piped_in() or from_environment("token")
    if text is None:
        raise CommandError(Exit.SETTINGS, "pipe a token in, or set NETLESS_TOKEN")
    told = read_token(text)
    show_one(
        {
            "kind": str(told.kind),
            "role": told.role.name.lower(),
            "uuid": told.uuid,
            "access_key": told.access_key,
            "expires_at": told.expires_at and spell_time(told.expires_at),
            "is_expired": told.expires_at is not None and told.expires_at <= datetime.now(UTC),
            "signature": _signature(text),
            "nonce": told.nonce,
        },
        TOLD,
        format,
    )


def _piped_in() -> str:
    """Return what is piped in, empty if nothing is, or if a person would have to type it."""
    try:
        return "" if is_terminal(sys.stdin) else sys.stdin.read(LONGEST).strip()
    except UnicodeDecodeError:
        raise CommandError(Exit.TOKEN, "what is piped in is no token") from None


def _signature(text: str) -> str:
    secret_key = from_environment("secret_key")
    if secret_key is None:
        return "not checked"
    try:
        verify_token(text, secret_key)
    except TokenError:
        return "wrong"
    return "right"
