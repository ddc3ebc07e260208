"""Tables as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What LaTeX treats specially, and the signs our tables use.
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "Σ": r"$\Sigma$",
    "–": "--",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a table, perhaps marked as the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be set: title, column heads, rows, notes. A row None is a rule between
    groups of rows; all but the first column are numbers, unless `prose`."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell] | None]
    notes: Sequence[str] = ()
    prose: bool = False

    def markdown(self) -> str:
        """GitHub Markdown; the best of a column is bold, a rule becomes an empty row."""
        align = ["---", *["---" if self.prose else "---:"] * (len(self.columns) - 1)]
        lines = [self._line(list(self.columns)), self._line(align)]
        for row in self.rows:
            cells = [] if row is None else row
            texts = [f"**{c.text}**" if c.best else c.text for c in cells]
            lines.append(self._line(texts or [""] * len(self.columns)))
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"**{self.title}**\n\n" + "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    def tex(self, name: str) -> str:
        """A LaTeX table for the booktabs package, labelled tab:name; the best of a column is bold,
        and its notes stand below it, not in its caption."""
        spec = "l" + ("l" if self.prose else "r") * (len(self.columns) - 1)
        body = []
        for row in self.rows:
            if row is None:
                body.append(r"\midrule")
                continue
            cells = [rf"\textbf{{{_tex(c.text)}}}" if c.best else _tex(c.text) for c in row]
            body.append(" & ".join(cells) + r" \\")
        notes = " ".join(_tex(note) for note in self.notes)
        below = [rf"\par\medskip\parbox{{\linewidth}}{{\footnotesize {notes}}}"] if notes else []
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(self.title)}.}}",
            rf"\label{{tab:{name}}}",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            " & ".join(_tex(column) for column in self.columns) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
