"""What a translator adds to a translation: taken out where it is certain, a fault elsewhere."""

import pytest
from bundled import LANGUAGES
from known_sentences import BOILING, EGG, HOURS, OUTPUT, RUN, SENTENCES

from pinch_jax.corpus.translation.additions import find_addition, without_additions
from pinch_jax.corpus.translation.checks import find_fault

CERTAIN = (
    "<think></think>\n\n{}",
    "<think>\n\n</think>\n\n{}",
    "<THINKING>First:\n⟦0⟧\n\nthen</THINKING>\n{}",
    "Okay, the user wants Finnish. ⟦0⟧\n</think>\n\n{}",  # begun in the server's own prompt
    "Here is the translation:\n\n{}",
    "Sure! Here's the Finnish translation of your text: {}",
    "**Translation:** {}",
    "Translated text:\n{}",
    "Tässä on käännös:\n\n{}",
    "这是译文：\n{}",
    '"{}"',
    "“{}”",
    "”{}”",
    "«{}»",
    "「{}」",
    "**{}**",
    "`{}`",
    "```\n{}\n```",
    "~~~text\n{}\n~~~",
    "<translation>\n{}\n</translation>",
    "<think>hm</think>\n\nHyvä on:\n\n```\n„{}“\n```\n",
)


@pytest.mark.parametrize("form", CERTAIN)
@pytest.mark.parametrize("original", [HOURS, RUN, f"{HOURS}\n\n{BOILING}"])
@pytest.mark.parametrize("code", ["fi", "zh"])
def test_what_certainly_is_no_translation_is_taken_out(form, original, code):
    own = original
    for sentence, said in SENTENCES.items():
        own = own.replace(sentence, said[code])
    assert without_additions(original, form.format(own)) == own
    assert without_additions(original, own) == own
    assert find_addition(original, own) is None


def test_what_the_original_has_itself_stays():
    fi = {english: own["fi"] for english, own in SENTENCES.items()}
    for form in (
        '"{}"',
        "Note:\n{}",
        "<b>{}</b>",
        "<think>x</think>\n{}",
        "**{}**",
    ):
        original, own = form.format(HOURS), form.format(fi[HOURS])
        assert without_additions(original, own) == own
        assert find_addition(original, own) is None
    for original, own in (
        (f"{OUTPUT}\n1, 2", f"{fi[OUTPUT]}\n1, 2"),
        (f"{HOURS}\n- {BOILING}", f"{fi[HOURS][:-1]}:\n- {fi[BOILING]}"),  # the same lines
        ('He said "hi" and "ho".', '"Hei" ja "hoi", hän sanoi: "hoi"'),
        ("See https://a.org for more.", "Katso https://a.org:sta lisää."),
        ("Translation: a short history.", "Translation: lyhyt historia."),
    ):
        assert without_additions(original, own) == own
        assert find_addition(original, own) is None


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("{}\n\n(I kept the tone of it.)", "2 paragraphs came for 1"),
        ("Tässä:\n\n{}\n\nOlkaa hyvät.", "'Tässä:' is not in the original"),
        ("<think>Let me see. {}", "'<think>' is not in the original"),
        ("{} <think>x</think>", "'<think>' is not in the original"),
        ("{} [INST]", "'[INST]' is not in the original"),
        ("{} https://a.org", "'https://a.org' is not in the original"),
        ("Käännös: {}", "'Käännös:' is not in the original"),
        ("Suomeksi: {}", "'Suomeksi:' is not in the original"),
        ("{}\nNote: a formal tone", "'Note:' is not in the original"),
        ("{} (Note: a formal tone)", "'Note:' is not in the original"),
        ("{}\n---", "a line of dashes is not in the original"),
    ],
)
def test_what_may_be_an_addition_is_a_fault(form, told):
    said = without_additions(BOILING, form.format(SENTENCES[BOILING]["fi"]))
    assert find_fault(BOILING, said, "en", "fi") == f"added part: {told}"


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_copy_is_a_fault_however_short_it_is(code):
    for text in ("Yes", "Yes.", "the old library", "Homo sapiens", EGG):
        for said in (text, f"\u200e{text.upper()}!", f" {text}"):
            assert find_fault(text, said, "en", code) == "copy: came back as it was"
    for text in ("42", "12:30, 5 %", "`x = a + b`", "https://a.org/b", "{name}", "?!"):
        assert find_fault(text, text, "en", code) is None
    assert find_fault("Kenya", "Kenya", "en", code, is_name=True) is None
