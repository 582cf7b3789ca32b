"""Looks at every link and picture of the built documentation: ``python docs/links.py docs/_build/html``.

What is on these pages has to be there, headings included.  What is elsewhere is not asked, only looked at: it has
to be an ``https`` address.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

NAMED_IN: Final = {"a": "href", "link": "href", "img": "src", "script": "src"}


class Page(HTMLParser):
    """What a page names, and what of it can be named."""

    def __init__(self, file: Path) -> None:
        """Read ``file``."""
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target and the anchor of an element."""
        told = dict(attrs)
        if (target := told.get(NAMED_IN.get(tag, ""))) is not None:
            self.targets.append(target)
        self.anchors.update(value for name in ("id", "name") if (value := told.get(name)))


def wrong_links(root: Path) -> Iterator[str]:
    """Yield what is wrong, a line for each link."""
    pages = {file.resolve(): Page(file) for file in sorted(root.rglob("*.html"))}
    if not pages:
        yield f"{root}: no page"
    for file, page in pages.items():
        for target in page.targets:
            if fault := _fault(file, target, pages):
                yield f"{file.relative_to(root.resolve())}: {target}: {fault}"


def _fault(file: Path, target: str, pages: dict[Path, Page]) -> str | None:
    address = urlsplit(target)
    if address.scheme or address.netloc:
        return _fault_elsewhere(address)
    found = (file.parent / unquote(address.path)).resolve() if address.path else file
    if not found.is_file():
        return "no such file"
    anchor = unquote(address.fragment)
    if anchor and found in pages and anchor not in pages[found].anchors:
        return "no such place on the page"
    return None


def _fault_elsewhere(address: SplitResult) -> str | None:
    if address.scheme == "data":
        return None
    is_plain = "." in address.netloc and not any(mark in address.geturl() for mark in " <>\"'")
    return None if address.scheme == "https" and is_plain else "not an https address"


if __name__ == "__main__":
    faults = list(wrong_links(Path(sys.argv[1])))
    sys.exit("\n".join(faults) if faults else None)
