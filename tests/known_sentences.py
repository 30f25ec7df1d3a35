"""Sentences in four languages, and what it takes to have them translated."""

import contextlib

from pinch_jax.corpus.example import Example
from pinch_jax.corpus.translation.translate import translate_examples
from pinch_jax.corpus.translation.translators import TranslationConfig, make_translator

OPENING = "When does the library of our little town open in the morning?"
HOURS = "The library opens at nine o'clock in the morning and closes late in the evening."
EGG = "Why does it take so much longer to cook an egg up in the mountains?"
BOILING = "Water boils at a lower temperature on a high mountain, as the air is thinner there."
INSTALL = "How do I install this program on my new computer?"
RUN = "Run ⟦0⟧ in the folder of your project and read ⟦1⟧ before you continue."
OUTPUT = "This is what the program should print on your screen:"

SENTENCES = {
    OPENING: {
        "fi": "Milloin pienen kaupunkimme kirjasto avataan aamulla?",
        "zh": "我们小镇的图书馆早上几点开门？",
        "es": "¿A qué hora abre por la mañana la biblioteca de nuestra pequeña ciudad?",
    },
    HOURS: {
        "fi": "Kirjasto avataan kello yhdeksän aamulla ja suljetaan myöhään illalla.",
        "zh": "图书馆早上九点开门，晚上很晚才关门。",
        "es": "La biblioteca abre a las nueve de la mañana y cierra tarde por la noche.",
    },
    EGG: {
        "fi": "Miksi kananmunan keittäminen kestää vuoristossa niin paljon kauemmin?",
        "zh": "为什么在山上煮鸡蛋需要的时间长得多？",
        "es": "¿Por qué se tarda mucho más en cocer un huevo en la montaña?",
    },
    BOILING: {
        "fi": "Vesi kiehuu korkealla vuorella alemmassa lämpötilassa, koska ilma on ohuempaa.",
        "zh": "高山上的水在较低的温度下沸腾，因为那里的空气比较稀薄。",
        "es": "El agua hierve a menor temperatura en una montaña alta, pues el aire es más ligero.",
    },
    INSTALL: {
        "fi": "Miten asennan tämän ohjelman uudelle tietokoneelleni?",
        "zh": "如何在我的新电脑上安装这个程序？",
        "es": "¿Cómo instalo este programa en mi ordenador nuevo?",
    },
    RUN: {
        "fi": "Aja ⟦0⟧ projektisi kansiossa ja lue ⟦1⟧, ennen kuin jatkat.",
        "zh": "在项目文件夹中运行⟦0⟧，然后先阅读⟦1⟧再继续。",
        "es": "Ejecuta ⟦0⟧ en la carpeta de tu proyecto y lee ⟦1⟧ antes de continuar.",
    },
    OUTPUT: {
        "fi": "Tämän ohjelman pitäisi tulostaa näytöllesi:",
        "zh": "这是程序应当在屏幕上显示的内容：",
        "es": "Esto es lo que el programa debería mostrar en tu pantalla:",
    },
}


def in_language(text: str, target: str) -> str:
    """Returns a text with its known sentences translated; a KeyError if it has none."""
    known = [sentence for sentence in SENTENCES if sentence in text]
    if not known:
        raise KeyError(text)
    for sentence in known:
        text = text.replace(sentence, SENTENCES[sentence][target])
    return text


def config_of(url, by="google", **changes):
    """Returns a config that asks the server at `url` and loses no time."""
    fields = {
        "by": by,
        "source": "en",
        "path": "",
        "model": "small-model" if by == "openai" else "",
        "base_url": url + "/v1" if by == "openai" else url,
        "project": "a-project" if by == "google" else "",
        "location": "global",
        "price_per_million_characters": 20.0,
        "requests_per_second": 1000.0,
        "concurrency": 4,
        "piece_characters": 1000,
        "attempts": 4,
        "wait_seconds": 0.001,
        "timeout_seconds": 5.0,
    }
    return TranslationConfig(**fields | changes)


def translate(config, directory, examples, target="fi"):
    with contextlib.closing(make_translator(config)) as translator:
        return translate_examples(examples, target, translator, config, directory, progress=False)


def example(number, prompt, response, answer=""):
    name = f"made-{number}"
    return Example(name, name, "made", "en", prompt, response, answer, False)
