"""Kinds of arguments that several commands take."""

from typing import Annotated

from cyclopts import Parameter, validators

from netless_rooms.operations import MAX_PAGE_SIZE, check_uuid


def _names_a_room(_: object, value: str | None) -> None:
    if value is not None:
        check_uuid("it", value)


Uuid = Annotated[str, Parameter(validator=_names_a_room)]
PageSize = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_PAGE_SIZE))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0))]
