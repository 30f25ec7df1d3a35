"""Texts on which tokenizers differ when they differ at all."""

EMOJI = (
    "👩‍👩‍👧‍👦👨🏽‍💻👍🏿✊🏻",
    "🇫🇮🇰🇪🇪🇪 🏳️‍🌈🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣#️⃣",
    "a👩‍🚀b ❤️❤ ☺︎☺️ 🫠🪿",
)
# Rare scripts, private and unassigned characters, control characters, lone accents.
BYTES = (
    "𒀀𒁀𒂗 𓀀𓂀𓆣 𐀀𐀁𐀂 𗀀𗀁 ꙮ ᚠᚢᚦ ⵣ 𞤀𞤁",
    "\ue000\uf8ff \U000f0000 \u0378 \U000e0fff \ufdd0",
    "".join(map(chr, range(32))) + "\x7f\x80\x85\x9f",
    "\u0301\u0308a\u0301 e\u0301te\u0301 \u1112\u1161\u11ab ﬁ Ⅷ ① ｱ ﷺ",
    "\u200b\u200c\u200d\u2060\ufeff\u202etxet\u202c \u00ad",
)
# What is written like a token of one family or another, or like the mark of a blank.
LOOKALIKES = (
    "<bos><eos><pad><unk> <s></s> <start_of_turn>user\nhi<end_of_turn>\n",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|><think>\n\n</think>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
    "[INST] hi [/INST][TOOL_CALLS] <<end_of_turn>> <|im_end|",
    "<mask> <unused7> [multimodal] <|fim_prefix|> <|reserved_special_token_5|> <SPECIAL_20>",
    "\u2581 \u2581\u2581a \u0120\u010a",
    "<0x0A><0xE4> <table><tr></tr></table> <h1>a</h1>",
)
BLANKS = (
    "",
    " ",
    " a",
    "a ",
    "  leading and trailing\t\n ",
    "\n",
    *(f"a{' ' * n}b" for n in (2, 3, 5, 16, 31, 32, 33, 70, 200)),
    " " * 100,
    *(f"x{blank * n}y" for blank in "\t\n" for n in (1, 2, 3, 17, 35)),
    "one\r\ntwo\r\n\r\nthree\r\r",
    "a \n b\t \n\n  c \n",
    "no\u00a0break\u3000ideographic\u2028line\u2029paragraph\u202fnarrow",
)
WORDS = (
    "I'll I'LL it's WE'RE o'clock 'tis don't l'été",
    "0 12 123 1234 1234567.89 ٣٤٥٦ १२३४ ²³ ½ 1e-7 0x1F",
    "camelCaseAndHTTPServer snake_case_name ÄÖÜß ǅ ʰa",
    "donaudampfschifffahrts" * 15,
    "for (int i = 0; i < n; ++i) {\n\treturn a[i]->b / c; // äö\n}",
    "https://example.org/a?b=c&d=%20#e user@example.org … — “x” «y» 「z」",
    "שלום עולם! مرحبا 123 بالعالم؟ नमस्ते क्षत्रिय 你好，世界。 こんにちは สวัสดี",
)
# A token of some tokenizers for tests that is not merged of others.
WHOLE = ("the stripes of a zebra",)
HARD_TEXTS = (*EMOJI, *BYTES, *LOOKALIKES, *BLANKS, *WORDS, *WHOLE)
