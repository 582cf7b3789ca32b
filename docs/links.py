"""Checks every link and image of the built documentation: ``python docs/links.py docs/_build/html``.

A relative target must exist, its heading included.  Other sites are not requested: the address must be ``https``.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

LINK_ATTRIBUTES: Final = {"a": "href", "link": "href", "img": "src", "script": "src"}


class Page(HTMLParser):
    """The link targets and the anchors of a page."""

    def __init__(self, file: Path) -> None:
        """Read ``file``."""
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record the target and the anchors of an element."""
        attributes = dict(attrs)
        if (target := attributes.get(LINK_ATTRIBUTES.get(tag, ""))) is not None:
            self.targets.append(target)
        self.anchors.update(value for name in ("id", "name") if (value := attributes.get(name)))


def wrong_links(root: Path) -> Iterator[str]:
    """Yield one line for each wrong link below ``root``."""
    pages = {file.resolve(): Page(file) for file in sorted(root.rglob("*.html"))}
    if not pages:
        yield f"{root}: no page"
    for file, page in pages.items():
        for target in page.targets:
            if fault := _fault(file, target, pages):
                yield f"{file.relative_to(root.resolve())}: {target}: {fault}"


def _fault(file: Path, target: str, pages: dict[Path, Page]) -> str | None:
    address = urlsplit(target)
    if address.scheme == "data":
        return None
    if address.scheme or address.netloc:
        is_valid = address.scheme == "https" and "." in address.netloc and not set(target) & set(" <>\"'")
        return None if is_valid else "not an https address"
    found = (file.parent / unquote(address.path)).resolve() if address.path else file
    if not found.is_file():
        return "no such file"
    anchor = unquote(address.fragment)
    is_known = not anchor or found not in pages or anchor in pages[found].anchors
    return None if is_known else "no such anchor"


if __name__ == "__main__":
    faults = list(wrong_links(Path(sys.argv[1])))
    sys.exit("\n".join(faults) if faults else None)
