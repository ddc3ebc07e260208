"""What the site needs beyond Markdown: links that leave docs/, diagrams, the help of all verbs."""

import contextlib
import io
import os
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

from gof.cli.main import GROUPS
from gof.cli.parsing import parsed
from gof.cli.registry import VERBS

ROOT = Path(__file__).parent.parent
# Where pages of the repository that lie outside docs/ stand in the site.
ELSEWHERE = {
    ROOT / "README.md": "index.md",
    **{
        path: f"generators.md#{path.stem}"
        for path in (ROOT / "gof" / "models" / "packaged").glob("*.md")
    },
}
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(#[^)\s]+)?\)")
EDGE = re.compile(r"^(.+?) --(?: \"(.+)\" --)?> (.+)$")


def relocated(text: str, folder: Path) -> str:
    """A page's text with its links, which count from `folder`, as they count from docs/."""

    def moved(match: re.Match[str]) -> str:
        path = (folder / match[1]).resolve()
        if path in ELSEWHERE:
            page = ELSEWHERE[path]
            return f"]({page if '#' in page else page + (match[2] or '')})"
        return f"]({os.path.relpath(path, ROOT / 'docs')}{match[2] or ''})"

    return LINK.sub(moved, text)


def _relocate_page(app, docname, source):
    source[0] = relocated(source[0], ROOT / "docs")


def _relocate_included(app, path, docname, source):
    source[0] = relocated(source[0], (ROOT / "docs" / path).parent)


def _row(cells: list[str], kind: type[nodes.Element]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", kind("", cell))
    return row


def table(head: list[str], rows: list[list[str]]) -> nodes.table:
    """A table of plain words."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head, nodes.paragraph))
    group += nodes.tbody("", *(_row(row, nodes.paragraph) for row in rows))
    return nodes.table("", group)


class Mermaid(Directive):
    """A flowchart as a table of its arrows, since what draws it would come from elsewhere."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        arrows: dict[tuple[str, str], list[str]] = {}
        for line in self.content[1:]:
            match = EDGE.match(line.strip())
            assert match, line
            for source in match[1].split(" & "):
                arrows.setdefault((source, match[2] or ""), []).extend(match[3].split(" & "))
        named = any(label for _, label in arrows)
        rows = [
            [source, *([label] if named else []), ", ".join(targets)]
            for (source, label), targets in arrows.items()
        ]
        return [table(["from", *(["what"] if named else []), "to"], rows)]


def help_text(name: str) -> str:
    """What `gof NAME --help` prints, in lines of 80 characters."""
    said, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with contextlib.redirect_stdout(said):
            parsed(VERBS.all()[name], ["--help"])
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


class Verbs(Directive):
    """A section for each group of verbs, with the help of each."""

    def run(self) -> list[nodes.Node]:
        verbs = VERBS.all().values()
        sections = []
        for group in dict.fromkeys([*GROUPS, *(verb.group for verb in verbs)]):
            section = nodes.section("", nodes.title("", group), ids=[nodes.make_id(group)])
            for verb in (verb for verb in verbs if verb.group == group):
                title = nodes.title("", "", nodes.literal("", f"gof {verb.name}"))
                name = nodes.make_id(f"gof {verb.name}")
                text = nodes.literal_block("", help_text(verb.name), language="text")
                section += nodes.section("", title, text, ids=[name])
            sections.append(section)
        return sections


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _relocate_page)
    app.connect("include-read", _relocate_included)
    app.add_directive("mermaid", Mermaid)
    app.add_directive("verbs", Verbs)
    return {"parallel_read_safe": True}
