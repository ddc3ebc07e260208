from gof.report.typeset import Cell, Table

TABLE = Table(
    "A & B_c",
    ["", "x ↓"],
    [[Cell("m_1"), Cell("0.5 ± 0.1", best=True)], None, [Cell("50 %"), Cell("a|b")]],
    ["100 % sure"],
)


def test_markdown():
    assert TABLE.markdown() == (
        "**A & B_c**\n\n"
        "|  | x ↓ |\n| --- | ---: |\n| m_1 | **0.5 ± 0.1** |\n|  |  |\n| 50 % | a\\|b |\n"
        "\n- 100 % sure\n"
    )


def test_tex_escapes_and_marks():
    text = TABLE.tex("a-b")
    assert r"\caption{A \& B\_c.}" in text and r"\label{tab:a-b}" in text
    assert text.index(r"\end{tabular}") < text.index(r"\footnotesize 100 \% sure")
    assert r"m\_1 & \textbf{0.5 $\pm$ 0.1} \\" in text
    assert r"x $\downarrow$ \\" in text
    assert text.count(r"\midrule") == 2
    assert all(ord(character) < 128 for character in text)
