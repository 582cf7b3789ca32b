"""Writes the Python blocks of each page as a module, to be type-checked: ``python docs/blocks.py FOLDER``."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?ms)^```python\n(.*?)^```$")


def main(folder: Path) -> None:
    """Write ``folder/page_name.py`` for each page that has Python blocks."""
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]:
        if blocks := BLOCK.findall(page.read_text("utf-8")):
            name = page.stem.replace("-", "_")
            (folder / f"page_{name}.py").write_text("\n\n".join(blocks), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
