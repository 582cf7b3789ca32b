"""Kinds of arguments that several commands take."""

from typing import Annotated, Final

from attrs import frozen
from cyclopts import Parameter, validators

from netless_rooms._listing.scan import MAX_PREFETCH, MAX_SHARDS
from netless_rooms._validation import MAX_PAGE_SIZE, check_uuid


def _names_a_room(_: object, value: str | None) -> None:
    if value is not None:
        check_uuid("it", value)


STDIN: Final = "-"
Uuid = Annotated[str, Parameter(validator=_names_a_room)]
# Only so is a lone hyphen an argument; whoever takes these has to refuse misspelled flags.
Uuids = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="The rooms; `-`, or none and a pipe, reads them from stdin.",
    ),
]
PageSize = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_PAGE_SIZE))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Shards = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_SHARDS))]
Ahead = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_PREFETCH))]


@Parameter(name="*")
@frozen(kw_only=True)
class Way:
    """How to go through the list; it has no effect on which rooms come."""

    shards: Annotated[Shards, Parameter(help="Parts of the list to go through at once; 1.")] = 1
    prefetch: Annotated[Ahead, Parameter(help="Pages to fetch ahead, for each shard; 1.")] = 1
    page_size: Annotated[PageSize, Parameter(help="Rooms to ask for at once; 1000.")] = MAX_PAGE_SIZE


USUAL_WAY: Final = Way()
