"""What translation must not touch, the markers for it, and where long texts are cut."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinch_jax.corpus.translation.cutting import cut
from pinch_jax.corpus.translation.protect import Piece, protected_parts

PROTECTED = {
    "Run `pip install x` or ``a`b``.": ["`pip install x`", "``a`b``"],
    "So:\n```py\nprint('`')\n```\nDone.": ["```py\nprint('`')\n```"],
    "1. Do\n\n   ~~~\n   x\n   ~~~\n2. Go": ["   ~~~\n   x\n   ~~~"],
    "Never closed:\n````\n```\nx": ["````\n```\nx"],
    "Like so:\n\n    x = f(1)\n    print(x)\n\nDone.": ["    x = f(1)\n    print(x)"],
    "See (https://a.org/b_(c)?d=e%20f#g), www.x.net/y.": [
        "https://a.org/b_(c)?d=e%20f#g",
        "www.x.net/y",
    ],
    "请看https://a.org/b。写信给me.too@a-b.co.uk吧": ["https://a.org/b", "me.too@a-b.co.uk"],
    "**https://a.org**": ["https://a.org"],
    "Let $x^2$, $n - 1$ and $O(n)$ be.": ["$x^2$", "$n - 1$", "$O(n)$"],
    r"$$a \\ b$$ \(c\) \[d\]": [r"$$a \\ b$$", r"\(c\)", r"\[d\]"],
    "\\begin{align*}\na\n\n&= b\n\\end{align*} $\\text{if it rains}$": [
        "\\begin{align*}\na\n\n&= b\n\\end{align*}",
        "$\\text{if it rains}$",
    ],
    "Hi {name}, {0:.2f} {{ x }} {% if %} ${HOME}!": [
        "{name}",
        "{0:.2f}",
        "{{ x }}",
        "{% if %}",
        "${HOME}",
    ],
    "%s of %(n)d, %1$s, %.2f": ["%s", "%(n)d", "%1$s", "%.2f"],
    '<b>bold</b> <a href="x" download>y</a> <TAG> <|end|> [NAME] [/INST]': [
        "<b>",
        "</b>",
        '<a href="x" download>',
        "</a>",
        "<TAG>",
        "<|end|>",
        "[NAME]",
        "[/INST]",
    ],
    "A ⟦0⟧ of its own": ["⟦", "⟧"],
}
FREE = (
    "It costs $5 and $10, or US$5; between $5 (or $6) and 5$, then 10$.",
    "I paid $5 each in US$, and it's $20-$30 for the two of you.",
    "50 % sure, 20%d, 100 %s; {1, 2} is a set, and {your name here} is for you.",
    "If a < b and c > d, <insert the name here> [Your Name] [see below].",
    "Buy:\n\n    Pasta\n    Tomatoes (64%)\n    1. Salt\n\nand cook.",
    "He said: don`t, can`t; a\\b, 3 * 4 = 12, e.g. this/that, me @ home.",
)


@pytest.mark.parametrize("text", PROTECTED)
def test_what_must_survive_is_found(text):
    assert list(protected_parts(text)) == PROTECTED[text]


@pytest.mark.parametrize("text", FREE)
def test_prose_that_looks_alike_is_left_to_the_translator(text):
    assert protected_parts(text) == ()


def test_markers_may_move_and_take_spaces_and_digits_of_another_script():
    piece = cut("Compare `a` with `b`.", 100).pieces[0]
    assert piece.text == "Compare ⟦0⟧ with ⟦1⟧."
    assert piece.restore("قارن ⟦ ١ ⟧ مع ⟦٠⟧.") == "قارن `b` مع `a`."


@pytest.mark.parametrize(
    ("translation", "complaint"),
    [
        ("Vertaa arvoon ⟦1⟧.", "'`a`' is missing"),
        ("Vertaa ⟦0⟧ arvoon ⟦1⟧ ja ⟦0⟧.", "'`a`' came back more than once"),
        ("Vertaa ⟦0⟧ arvoon ⟦1⟧ tai ⟦2⟧.", "not sent"),
        ("Vertaa ⟦0⟧ arvoon ⟦1⟧ ⟦.", "altered"),
        ("Vertaa ⟦O⟧ arvoon ⟦1⟧.", "altered"),
        ("Vertaa [0] arvoon ⟦1⟧.", "'`a`' is missing"),
    ],
)
def test_a_text_whose_markers_did_not_come_back_is_not_restored(translation, complaint):
    with pytest.raises(ValueError, match=complaint):
        Piece("Compare ⟦0⟧ with ⟦1⟧.", ("`a`", "`b`")).restore(translation)


def test_a_long_text_is_cut_at_paragraphs_then_sentences_then_lines_then_words():
    text = "One. Two! Three.\n\nFour\nfive six. Seven\n\nEight https://long.example/address nine."
    at = {size: [piece.text for piece in cut(text, size).pieces] for size in (200, 37, 16, 9)}
    assert at[200] == [text.replace("https://long.example/address", "⟦0⟧")]
    assert at[37] == ["One. Two! Three.", "Four\nfive six. Seven\n\nEight ⟦0⟧ nine."]
    assert at[16] == ["One. Two! Three.", "Four\nfive six.", "Seven", "Eight ⟦0⟧ nine."]
    assert at[9] == ["One. Two!", "Three.", "Four", "five six.", "Seven", "Eight ⟦0⟧", "nine."]
    assert [piece.text for piece in cut("第一句。“第二句！”第三句？", 7).pieces] == [
        "第一句。",
        "“第二句！”",
        "第三句？",
    ]
    assert [piece.text for piece in cut("abcdef{g}hij", 5).pieces] == ["abcde", "f⟦0⟧h", "ij"]


def test_code_on_its_own_lines_and_paragraphs_without_words_are_not_sent():
    text = "Run this:\n```\ncode\n```\nand then\n\n---\n\nhttps://a.org\n\n42\n\n$$x$$\n\nstop.\n"
    pieces = cut(text, 1000)
    assert [piece.text for piece in pieces.pieces] == ["Run this:", "and then", "stop."]
    assert pieces.join(["A", "B", "C"]) == (
        "A\n```\ncode\n```\nB\n\n---\n\nhttps://a.org\n\n42\n\n$$x$$\n\nC\n"
    )
    assert cut("```\nall of it\n```", 1000).pieces == ()


def test_equal_sentences_of_different_texts_are_equal_pieces():
    (first,), (second,) = cut("`a` is\n", 9).pieces, cut("\n\n`b` is", 9).pieces
    assert first.text == second.text == "⟦0⟧ is"


_CODE = ["```", "\n```\n", "~~~\n", "`", "    ", "\t", "> ", "- ", "1. ", "c = 1;"]
_SPACE = [" ", "\n", "\n\n", "\r\n", "\r", "\x1c", "\x85", "\u2028", "\u3000"]
_LATEX = ["$", "$$", "$x$", "\\(", "\\)", "\\[", "\\]", "\\begin{a}", "\\end{a}"]
_REST = ["http://a.b/", "a@b.c", "{a}", "%s", "<b>", "[A]", "⟦0⟧", "⟦", "⟧", "Two words. ", "。"]
FRAGMENTS = st.sampled_from([*_CODE, *_SPACE, *_LATEX, *_REST])


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(FRAGMENTS | st.text(max_size=5)).map("".join), st.integers(10, 60))
@example("- ```\n  a\n\n      b\r\n> ```\n\n\tc = 1;\n", 10)
def test_a_translator_that_changes_nothing_changes_nothing(text, piece_characters):
    pieces = cut(text, piece_characters)
    masked = [part for piece in pieces.pieces for part in piece.parts]
    for part in protected_parts(text):
        assert part in masked or any(part in between for between in pieces.between)
    for piece in pieces.pieces:
        assert 0 < len(piece.text) <= piece_characters
        assert piece.text == piece.text.strip()
    assert pieces.join([piece.restore(piece.text) for piece in pieces.pieces]) == text
