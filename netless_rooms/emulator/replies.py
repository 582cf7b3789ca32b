"""What goes over the line in answer to one request, whole or not: plain values, played by the application."""

from typing import Literal

from attrs import frozen

from netless_rooms.emulator.answers import Answer

End = Literal["complete", "close", "hang"]


@frozen(kw_only=True)
class Reply:
    """A status line with headers, a body in pieces, and what comes behind them.

    Without a ``status`` nothing is sent.  ``pause`` is in seconds and comes before each piece.  ``missing`` is
    how many bytes of the body are promised and do not come.  At the ``end`` the reply is complete, or the
    connection is closed, or nothing happens any more.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    missing: int = 0
    pause: float = 0
    end: End = "complete"

    @classmethod
    def of(cls, answer: Answer | None) -> "Reply":
        """Return the reply that carries an answer as it is; without one, the connection is closed."""
        if answer is None:
            return cls(end="close")
        allow = (("Allow", ", ".join(answer.allow)),) if answer.allow else ()
        headers = (("Content-Type", "application/json"), *allow)
        return cls(status=answer.status, headers=headers, pieces=(answer.body,))

    @property
    def body(self) -> bytes:
        """As much of the body as is sent."""
        return b"".join(self.pieces)

    @property
    def is_plain(self) -> bool:
        """Whether the body comes whole and in one piece, so that it may as well come compressed."""
        return self.end == "complete" and len(self.pieces) == 1
