"""Annotates a page in a real browser, by keyboard alone, and holds its file against what was shown.

    python tests/annotate_in_browser.py [FOLDER]

It needs `chromium` on the PATH, and nothing else: the browser is driven over a pipe. Screenshots
are written into the folder, to be looked at. tests/test_people.py runs it where there is a
chromium.
"""

import base64
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pinch_jax.judge.annotation_page import write_page
from pinch_jax.judge.people import PeopleJudge, annotated, read_annotations
from pinch_jax.judge.scores import outcomes
from pinch_jax.judge.verdicts import judge_files, read_match
from pinch_jax.storage.files import digest

HOSTILE = "</script><script>hacked = 1</script><img src=x onerror='hacked = 1'><!--"
QUESTIONS = {
    "en": [
        ("Why is the sky blue?", "Air scatters blue light more than red.", "Because of the sea."),
        ("End the page.", HOSTILE, "&lt;b&gt; stays &amp; as it is"),
        ("Write a long text.", "word " * 2000, "x" * 10_000),
        ("Say nothing.", "", " \n "),
        ("Turn it around.", "safe \u202etxet desrever\u202c end", "\u2067unclosed \u202e override"),
        ("Same?", "The same answer.", "The same answer."),
    ],
    "ar": [("ما عملة كينيا؟", "العملة هي: شلن كينيي (KES).", "The currency is the shilling.")],
    "he": [("מהו המטבע של קניה?", "המטבע הוא שילינג קנייתי.", "1. שילינג\n2. KES\n3. אחר")],
    "zh": [("肯尼亚的货币是什么？", "货币是肯尼亚先令。", "先令")],
}
KEYS = {"1": "Digit1", "2": "Digit2", "0": "Digit0", "=": "Equal", "e": "KeyE", "p": "KeyP"}
KEYS |= {"f": "KeyF", "d": "KeyD", "ק": "KeyE", "Tab": "Tab", " ": "Space"}
SHOWN = """(() => {
  const texts = [...document.querySelectorAll("#prompt, article p")];
  return {
    texts: texts.map((box) => box.textContent), directions: texts.map((box) => box.dir),
    empty: texts.map((box) => box.classList.contains("none")),
    progress: document.querySelector("#progress").textContent,
    pressed: [...document.querySelectorAll('[aria-pressed="true"]')].map((b) => b.value),
    working: !document.querySelector("#work").hidden, done: !document.querySelector("#done").hidden,
    wide: document.documentElement.scrollWidth, hacked: typeof hacked,
  };
})()"""


class Browser:
    """A headless chromium with one profile, over the pipe of the DevTools protocol."""

    def __init__(self, folder):
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = ["chromium", "--headless=new", "--no-sandbox", "--remote-debugging-pipe"]
        command += [f"--user-data-dir={folder / 'profile'}", "--no-first-run", "about:blank"]
        redirected = f'exec "$@" 3<&{to_browser} 4>&{from_browser} 2>/dev/null'
        fds = to_browser, from_browser
        self._process = subprocess.Popen(["bash", "-c", redirected, "-", *command], pass_fds=fds)
        for fd in fds:
            os.close(fd)
        self._numbers, self._rest, self.events = itertools.count(1), b"", []
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def send(self, method, session=None, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (told := self._next()).get("id") != number:
            pass
        assert "error" not in told, (method, told)
        return told["result"]

    def _next(self):
        """Returns the next message; an event is kept."""
        while b"\0" not in self._rest:
            chunk = os.read(self._read, 1 << 20)
            assert chunk, "the browser has ended"
            self._rest += chunk
        one, _, self._rest = self._rest.partition(b"\0")
        told = json.loads(one)
        if "method" in told:
            self.events.append(told)
        return told

    def wait_for_load(self, session, seen):
        """Returns once a page has been loaded, after so many events."""
        loaded = "Page.loadEventFired", session
        while loaded not in [(e["method"], e.get("sessionId")) for e in self.events[seen:]]:
            self._next()

    @property
    def requests(self):
        """The addresses that pages asked for."""
        sent = (e for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

    def close(self):
        with contextlib.suppress(AssertionError, BrokenPipeError):
            self.send("Browser.close")
        self._process.wait(60)
        os.close(self._write)
        os.close(self._read)


class Tab:
    """One tab of the browser."""

    def __init__(self, browser, url):
        self._browser = browser
        target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.send("Network.enable")
        self.send("Page.enable")
        self.go(url)

    def send(self, method, **params):
        return self._browser.send(method, self._session, **params)

    def go(self, url=None):
        seen = len(self._browser.events)
        self.send("Page.navigate", url=url) if url else self.send("Page.reload")
        self._browser.wait_for_load(self._session, seen)

    def run(self, script):
        told = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key, **more):
        named = {"key": key, "code": KEYS.get(key, key), **more}
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **named)

    def shown(self):
        return self.run(SHOWN)

    def begin(self, name, language):
        """Types a name, chooses a language and begins."""
        self.run("document.querySelector('#leave').click()")
        self.run("document.querySelector('#name').value = ''")
        self.run("document.querySelector('#name').focus()")
        self.send("Input.insertText", text=name)
        self.run(f"document.querySelector('#language').value = '{language}'")
        self.press("Enter")

    def look(self, path, width, dark=False):
        """Writes a screenshot of the page, loaded anew at a width; returns how wide it is there."""
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        self.go()
        wide = self.shown()["wide"]
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
        self.send("Emulation.clearDeviceMetricsOverride")
        return wide


def write_responses(path, place):
    lines = []
    for code, asked in QUESTIONS.items():
        for number, texts in enumerate(asked):
            line = {"id": f"q{number}", "language": code, "prompt": texts[0]}
            line |= {"response": texts[1 + place], "reference": "", "task": "", "answer": ""}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def until(found):
    """Returns what a function finds, as soon as it does."""
    for _ in range(400):
        if held := found():
            return held
        time.sleep(0.05)
    raise AssertionError("not after 20 seconds")


def downloaded(tab, folder):
    """Presses d and returns the file that comes."""
    for old in folder.glob("annotations-*"):
        old.unlink()
    tab.press("d")
    return until(lambda: next(iter(folder.glob("annotations-*.jsonl")), None))


def annotate(tab, answers, most=99):
    """Answers pair after pair, by what `answers` gives of its texts; returns what was shown."""
    seen = []
    while not (now := tab.shown())["done"] and len(seen) < most:
        keys = answers(now)
        for key in keys:
            tab.press(key)
        seen.append((now, keys))
    return seen


def check_file(path, seen, annotator):
    """Holds each line of the file against what was shown and pressed."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    by_texts = {}
    for now, keys in seen:
        texts = [text for text, empty in zip(now["texts"], now["empty"], strict=True) if not empty]
        by_texts[tuple(map(digest, texts))] = keys
    words = {"1": "first", "2": "second", "0": "tie", "=": "tie", "ArrowLeft": "first"}
    words |= {"ArrowRight": "second", "e": "excellent", "p": "pass", "f": "fail", "ק": "excellent"}
    for line in lines:
        sides = ("baseline", "candidate")
        first, second = sides if line["order"] == "baseline_first" else sides[::-1]
        given = [line["prompt"], line[first], line[second]]
        empty = {digest(text) for text in ("", " \n ")}
        one, two, choice = by_texts[tuple(text for text in given if text not in empty)]
        assert (words[one], words[two]) == (line[f"{first}_rating"], line[f"{second}_rating"])
        assert words[choice] == line["choice"] and line["annotator"] == annotator
        assert 0 <= line["seconds"] < 60
    assert len(lines) == len(by_texts)
    return lines


def use_page(folder, pictures=None):
    """Annotates as two people would; raises AssertionError where the page does not as it should."""
    files = folder / "baseline.jsonl", folder / "candidate.jsonl"
    for place, path in enumerate(files):
        write_responses(path, place)
    page = folder / "page.html"
    total = write_page(*files, page, None)
    assert total == sum(map(len, QUESTIONS.values()))
    browser = Browser(folder)
    try:
        found = _use_page(browser, folder, page, pictures)
    finally:
        browser.close()
    annotations = []
    for name, text in found.items():
        annotations.append(folder / f"{name}.jsonl")
        annotations[-1].write_text(text, encoding="utf-8")
    said = annotated(read_annotations(annotations), read_match(*files))
    verdicts = judge_files(PeopleJudge(said), *files, folder / "verdicts.jsonl", progress=False)
    # All of them prefer the longer answer, and call it a tie where there is none.
    for code, asked in QUESTIONS.items():
        found = outcomes(verdict for verdict in verdicts if verdict.language == code)
        for number, (_, ours, theirs) in enumerate(asked):
            ours, theirs = (len(text.strip()) for text in (ours, theirs))
            assert found[f"q{number}"] == (theirs > ours) + 0.5 * (theirs == ours), (code, number)


def longer(now):
    """Returns the keys that prefer the longer answer: who is an annotator here has one taste."""
    shown = zip(now["texts"], now["empty"], strict=True)
    _, one, two = (0 if empty else len(text.strip()) for text, empty in shown)
    if one == two:
        return ["p", "f", "0"]
    return ["e", "f", "1"] if one > two else ["f", "e", "ArrowRight"]


def _use_page(browser, folder, page, pictures):
    url, found = page.as_uri(), {}
    tab = Tab(browser, url)
    if pictures:
        assert tab.look(pictures / "start.png", 1280) <= 1280
        assert tab.look(pictures / "start-phone.png", 390, dark=True) <= 390
    tab.begin("Aino  Ö.", "en")
    seen = annotate(tab, longer, 3)
    assert tab.shown()["progress"] == "Aino Ö.: 3 of 6 done, 3 left"

    # A key held down, a key with Alt and a letter of another alphabet; then all of it undone.
    before = tab.shown()
    tab.press("ק")
    tab.press("f", autoRepeat=True)
    tab.press("ArrowLeft", modifiers=1)
    assert tab.shown()["pressed"] == ["excellent"] and tab.shown()["texts"] == before["texts"]

    def kept():
        tab.go()
        return tab.shown()["pressed"] == ["excellent"]

    # A browser that is busy hands over late what the page before it kept, and not to a page that
    # is there already.
    until(kept)
    assert tab.shown()["texts"] == before["texts"]
    tab.press("Backspace")
    assert tab.shown()["pressed"] == []
    tab.press("Backspace")
    assert tab.shown()["texts"] == seen[-1][0]["texts"] and len(tab.shown()["pressed"]) == 2
    assert tab.shown()["progress"] == "Aino Ö.: 2 of 6 done, 4 left"
    tab.press(seen[-1][1][-1])
    assert tab.shown()["texts"] == before["texts"]

    # The same page in a second tab goes on where the first is, and the first follows.
    other = Tab(browser, url)
    other.begin("Aino Ö.", "en")
    until(lambda: other.shown()["texts"] == before["texts"])
    seen += annotate(other, longer, 1)
    told = "Aino Ö.: 4 of 6 done, 2 left"
    assert other.shown()["progress"] == told
    until(lambda: tab.shown()["progress"] == told)
    for code in QUESTIONS:
        tab.begin("Aino Ö.", code)
        seen += annotate(tab, longer)
        assert tab.shown()["done"] and tab.shown()["hacked"] == "undefined"
    path = downloaded(tab, folder)
    lines = check_file(path, seen, "Aino Ö.")
    found["aino"] = path.read_text(encoding="utf-8")
    english = {line["id"]: line["order"] for line in lines if line["language"] == "en"}
    assert list(english.values()).count("baseline_first") == 3
    for now, _ in seen:
        for text, direction in zip(now["texts"], now["directions"], strict=True):
            right = any("\u0590" <= letter <= "\u06ff" for letter in text)
            assert direction == ("rtl" if right else "ltr"), text

    # Another annotator has another order, other sides, and nothing of the first one's.
    again = Tab(browser, url)
    again.begin("Boris", "en")
    assert again.shown()["progress"] == "Boris: 0 of 6 done, 6 left"
    others = annotate(again, longer)
    asked = [[now["texts"][0] for now, _ in held] for held in (seen[:6], others)]
    assert sorted(asked[0]) == sorted(asked[1]) and asked[0] != asked[1]
    path = downloaded(again, folder)
    orders = {line["id"]: line["order"] for line in check_file(path, others, "Boris")}
    assert orders.keys() == english.keys() and orders != english
    found["boris"] = path.read_text(encoding="utf-8")

    # A browser that keeps nothing says so, and the file has everything all the same.
    again.begin("Chen", "en")
    again.run("Storage.prototype.setItem = () => { throw Error('full'); }")
    assert again.run("document.querySelector('#warning').hidden")
    others = annotate(again, longer)
    check_file(downloaded(again, folder), others, "Chen")
    assert not again.run("document.querySelector('#warning').hidden")
    if pictures:
        again.look(pictures / "done.png", 1280)
        for code in QUESTIONS:
            _take_pictures(Tab(browser, url), code, pictures)
    assert not [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))]
    return found


def _take_pictures(tab, code, pictures):
    tab.begin("Photographer", code)
    for number in range(len(QUESTIONS[code])):
        now = tab.shown()
        tab.press("e")
        for name, width, dark in (("", 1280, False), ("-phone", 390, False), ("-dark", 1280, True)):
            wide = tab.look(pictures / f"{code}{number}{name}.png", width, dark)
            assert wide <= width, (now["texts"][0], wide)
        tab.press("p")
        tab.press("0")


if __name__ == "__main__":
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as held:
        use_page(Path(held), pictures)
    print("the page does as it should")
