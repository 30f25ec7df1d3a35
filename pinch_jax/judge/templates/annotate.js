// Shows pairs blind and keeps what is said of them. Texts only ever become text nodes.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [start, name, language, warning, work, bar, progress, file, leave, done, pair, prompt, controls] =
    ["start", "name", "language", "warning", "work", "bar", "progress", "file", "leave", "done", "pair",
      "prompt", "controls"].map((id) => document.getElementById(id));
  const KEYS = {
    1: "first", 2: "second", 0: "tie", "=": "tie", arrowleft: "first", arrowright: "second",
    e: "excellent", p: "pass", f: "fail", backspace: "back", d: "download",
  };
  // Where a keyboard writes other letters or signs, the key in that place.
  const PLACES = { KeyE: "e", KeyP: "p", KeyF: "f", KeyD: "d", Digit0: 0, Digit1: 1, Digit2: 2 };
  const SESSION = `pinch annotate ${data.page}`;
  let annotator = "", order = [], baselineFirst = {}, shown = -1, since = 0;

  const unkept = new Map();
  const load = (store, key) => {
    try { return unkept.get(key) ?? JSON.parse(window[store].getItem(key)); } catch { return null; }
  };
  const save = (store, key, value) => {
    try { window[store].setItem(key, JSON.stringify(value)); } catch {
      unkept.set(key, value);
      warning.hidden = false;
    }
  };
  // Each pair has a place of its own, so that two tabs never write over each other's.
  const key = (at) => `${SESSION} ${annotator} ${at}`;
  const said = (at) => load("localStorage", key(at)) ?? { ratings: ["", ""], choice: "", seconds: 0 };
  const whole = (at) => Boolean(said(at).choice && said(at).ratings.every(Boolean));

  // The same random number each time: FNV-1a, mixed as MurmurHash3 ends.
  const random = (...words) => {
    let h = 2166136261;
    for (const byte of new TextEncoder().encode([data.page, annotator, ...words].join("\n")))
      h = Math.imul(h ^ byte, 16777619);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  };
  const put = (box, [text, dir]) => {
    box.textContent = text.trim() ? text : "(empty)";
    box.classList.toggle("none", !text.trim());
    Object.assign(box, { dir, lang: language.value });
  };
  const show = () => {
    const left = order.filter((at) => !whole(at));
    if (!left.includes(shown)) {
      shown = left[0] ?? -1;
      since = performance.now();
      scrollTo(0, 0);
    }
    const every = [...data.pairs.keys()].filter(whole).length;
    Object.assign(bar, { max: order.length, value: order.length - left.length });
    progress.textContent = `${annotator}: ${bar.value} of ${order.length} done, ${left.length} left`;
    Object.assign(file, { textContent: `Download (${every})`, disabled: !every, className: left.length ? "" : "main" });
    done.hidden = shown >= 0;
    pair.hidden = controls.hidden = shown < 0;
    if (shown < 0) return;
    const asked = data.pairs[shown], { ratings, choice } = said(shown);
    const sides = baselineFirst[shown] ? ["baseline", "candidate"] : ["candidate", "baseline"];
    put(prompt, asked.prompt);
    pair.querySelectorAll("article p").forEach((box, at) => put(box, asked[sides[at]]));
    const unsaid = [...ratings, choice].indexOf("");
    [...controls.children].forEach((group, at) => {
      group.classList.toggle("next", at === unsaid);
      for (const button of group.querySelectorAll("button"))
        button.ariaPressed = String([...ratings, choice][at] === button.value);
    });
  };
  const say = (change) => {
    const changed = said(shown), now = performance.now();
    changed.seconds += (now - since) / 1000;
    since = now;
    change(changed);
    save("localStorage", key(shown), changed);
    show();
  };
  const answer = (at, word) => say((changed) => {
    if (at < 2) changed.ratings[at] = word;
    else changed.choice = word;
  });
  const back = () => {
    const { ratings, choice } = said(shown);
    if (!choice && !ratings.some(Boolean)) {
      const before = shown < 0 ? order : order.slice(0, order.indexOf(shown));
      if (!before.length) return;
      shown = before.at(-1);
      since = performance.now();
    }
    say((changed) => {
      if (changed.choice) changed.choice = "";
      else changed.ratings[changed.ratings[1] ? 1 : 0] = "";
    });
  };
  const line = (at) => {
    const { ratings, choice, seconds } = said(at);
    const [order, [one, two]] = baselineFirst[at]
      ? ["baseline_first", ratings] : ["candidate_first", ratings.toReversed()];
    return JSON.stringify({
      page: data.page, id: data.pairs[at].id, language: data.pairs[at].language, annotator, order, choice,
      baseline_rating: one, candidate_rating: two, seconds: Math.round(seconds * 10) / 10,
      ...data.pairs[at].checksums, ...data.files,
    }) + "\n";
  };
  const download = () => {
    const lines = [...data.pairs.keys()].filter(whole).map(line);
    const href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    const named = `annotations-${annotator.replace(/[^\p{L}\p{N}]+/gu, "_")}-${data.page}.jsonl`;
    if (lines.length) Object.assign(document.createElement("a"), { href, download: named }).click();
  };
  const begin = (who, code) => {
    annotator = who;
    language.value = code;
    for (const each of Object.keys(data.languages)) {
      const own = [...data.pairs.keys()].filter((at) => data.pairs[at].language === each);
      const shuffled = (what) =>
        own.map((at) => [random(what, at), at]).sort((a, b) => a[0] - b[0]).map(([, at]) => at);
      // Either file is answer 1 in half of the pairs of a language.
      shuffled("side").forEach((at, rank) => { baselineFirst[at] = (rank + random(each)) % 2 === 0; });
      if (each === code) order = shuffled("order");
    }
    start.hidden = true;
    work.hidden = false;
    show();
  };

  for (const [code, called] of Object.entries(data.languages)) language.append(new Option(called, code));
  start.addEventListener("submit", (event) => {
    event.preventDefault();
    const begun = [name.value.normalize("NFC").trim().replace(/\s+/g, " "), language.value];
    save("sessionStorage", SESSION, begun);
    begin(...begun);
  });
  leave.addEventListener("click", () => { work.hidden = true; start.hidden = false; });
  file.addEventListener("click", download);
  [...controls.children].forEach((group, at) => group.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button) answer(at, button.value);
  }));
  addEventListener("keydown", (event) => {
    // A key that is held down is one answer; with Alt and the like it is the browser's.
    if (work.hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const word = KEYS[event.key.toLowerCase()] ?? KEYS[PLACES[event.code]];
    if (!word) return;
    event.preventDefault();
    if (word === "back") back();
    else if (word === "download") download();
    else if (shown >= 0 && ["first", "second", "tie"].includes(word)) answer(2, word);
    // Once both are rated, a letter rates the first one anew.
    else if (shown >= 0) answer(Math.max(said(shown).ratings.indexOf(""), 0), word);
  });
  addEventListener("storage", (event) => { if (!work.hidden && event.key?.startsWith(SESSION)) show(); });
  document.addEventListener("visibilitychange", () => {
    if (!work.hidden && shown >= 0 && document.hidden) say(() => {});
    since = performance.now();  // Time away is not spent on the pair.
  });
  const begun = load("sessionStorage", SESSION);
  if (begun) begin(...begun);
})();
