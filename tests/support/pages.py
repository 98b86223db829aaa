"""The pages that people read, as blocks of code and as text."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"<!-- (.+?) -->")
RUN, FILE, PRINTED, NOT_RUN = "run", "file: ", "printed", "not run: "


@dataclass(frozen=True)
class Block:
    """A block of code: where it stands, its language, its text, and the comment above it, which says what it is for."""

    place: str
    language: str
    text: str
    mark: str


@dataclass(frozen=True)
class Page:
    """A Markdown file. `prose` is what stands outside of blocks of code."""

    name: str
    blocks: tuple[Block, ...]
    prose: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        name = str(path.relative_to(ROOT))
        blocks, prose, code = list[Block](), list[str](), list[str]()
        fence, place, mark = None, "", ""
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.startswith("```"):
                if fence is None:
                    fence, place, code = line[3:].strip(), f"{name}:{number}", []
                else:
                    blocks.append(Block(place, fence, "\n".join(code) + "\n", mark))
                    fence, mark = None, ""
            elif fence is not None:
                code.append(line)
            else:
                prose.append(line)
                found = MARK.fullmatch(line)
                mark = found[1] if found else mark if not line else ""
        assert fence is None, f"{place}: the block does not end"
        return cls(name, tuple(blocks), "\n".join(prose))

    @property
    def continues(self) -> str | None:
        """The page in whose folder this one goes on."""
        found = re.search(r"<!-- continues: (.+?) -->", self.prose)
        return str(Path(self.name).parent / found[1]) if found else None

    @property
    def spans(self) -> list[str]:
        """The pieces of code within the text."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    @property
    def commands(self) -> list[str]:
        """The command lines of all blocks of shell, without comments."""
        text = "".join(block.text for block in self.blocks if block.language == "bash").replace("\\\n", " ")
        lines = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in text.split("\n"))
        return [" ".join(line.split()) for line in lines if line]


def read_pages() -> dict[str, Page]:
    """Read all pages, by their path in the repository."""
    paths = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    pages = (Page.read(path) for path in paths)
    return {page.name: page for page in pages}
