// The figures, drawn again in the colours and the width of the page. Vega's own interpreter runs
// their expressions: the page allows no eval.
(() => {
  const { config, theme, figures } = JSON.parse(document.getElementById("figures-data").textContent);
  const charts = [...document.querySelectorAll(".chart")];
  const drawn = new Map();
  const width = (chart) => {
    const least = figures[chart.dataset.figure].usermeta.least_width;
    return Math.max(least, Math.min(chart.parentElement.clientWidth, 1000));
  };
  const themed = (value) => {
    const style = getComputedStyle(document.documentElement);
    return JSON.parse(JSON.stringify(value).replace(/#[0-9a-f]{6}/g,
      (colour) => colour in theme ? style.getPropertyValue(theme[colour]).trim() : colour));
  };
  const draw = async (chart) => {
    const wide = width(chart), narrow = wide < 520;
    drawn.set(chart, wide);
    const spec = { ...themed(figures[chart.dataset.figure]), width: wide };
    const look = themed(config);
    if (narrow) {
      look.legend.columns = 1;
      for (const { encoding } of spec.layer ?? [])
        if (encoding?.color?.legend?.columns < 5) encoding.color.legend.columns = 1;
      look.axis.labelLimit = 110;
      look.text.fontSize = look.axis.labelFontSize = look.axis.titleFontSize = 9.5;
    }
    try {
      await vegaEmbed(chart, spec, { ast: true, renderer: "svg", actions: false, config: look });
      chart.parentElement.classList.add("live");
    } catch (error) {
      chart.replaceChildren();
      console.error(chart.dataset.figure, error);
    }
  };
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && !drawn.has(target)) draw(target);
  }, { rootMargin: "600px" });
  charts.forEach((chart) => near.observe(chart));
  const again = (every) => { for (const [chart, wide] of drawn) if (every || wide !== width(chart)) draw(chart); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => again(true));
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => again(false), 150); });
})();

// The response browser. Texts come from models: they only ever become text nodes.
(() => {
  const data = JSON.parse(document.getElementById("responses-data").textContent);
  const find = (id) => document.getElementById(id);
  const controls = ["language", "model", "baseline", "verdict", "order", "search"].map((id) => find("pick-" + id));
  const [language, model, baseline, verdict, order, search] = controls;
  const list = find("pairs-list"), count = find("pairs-count"), more = find("pairs-more");
  const WORDS = { w: "wins", t: "tie", l: "loses", "-": "not judged" };
  const PAGE = 10;
  let rows = [], shown = 0;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const fill = (select, options, wanted) => {
    select.replaceChildren(...options.map(([value, label]) => {
      const option = element("option", "", label);
      option.value = value;
      return option;
    }));
    if (options.some(([value]) => String(value) === String(wanted))) select.value = wanted;
  };
  const distinct = (values) => [...new Set(values)];
  const comparisons = () => data.comparisons.filter((row) => row[2] === language.value);
  // Of the letters of a text: a response may be in another language than its prompt.
  const direction = (text) => {
    const letters = (text.match(/\p{L}/gu) || []).length;
    const rtl = (text.match(/[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/gu) || []).length;
    return 2 * rtl > letters ? "rtl" : "ltr";
  };
  const foreign = (className, text) => {
    const made = element("p", className, text === "" ? "(empty)" : text);
    if (text === "") { made.classList.add("empty"); return made; }
    made.dir = direction(text);
    if (className !== "text") made.lang = language.value;
    return made;
  };
  const response = (run, place) => {
    const indexes = data.responses[language.value][run];
    return indexes && indexes[place] >= 0 ? data.texts[language.value][indexes[place]] : null;
  };
  const row = (tag, text) => {
    const box = element("div", "row");
    box.append(element("span", "tag", tag), foreign(tag, text));
    return box;
  };
  const side = (run, place, note, won, reference) => {
    const box = element("div", won ? "side won" : "side");
    const text = response(run, place);
    const same = reference && text === reference ? " · equals the reference" : "";
    box.append(element("h4", "", data.runs[run] + note + same));
    box.append(text === null ? element("p", "empty", "(no response kept)") : foreign("text", text));
    return box;
  };
  const card = ([place, letter]) => {
    const [prompt, reference] = data.prompts[language.value][place];
    const box = element("article", "pair");
    box.append(row("prompt", prompt));
    if (reference) box.append(row("reference", reference));
    const two = element("div", "two");
    two.append(
      side(model.value, place, " · " + WORDS[letter], letter === "w", reference),
      side(baseline.value, place, letter === "l" ? " · baseline, wins" : " · baseline", letter === "l", reference));
    box.append(two);
    return box;
  };
  const showMore = () => {
    list.append(...rows.slice(shown, shown + PAGE).map(card));
    shown = Math.min(shown + PAGE, rows.length);
    more.hidden = shown >= rows.length;
    more.textContent = `Show more (${rows.length - shown} left)`;
  };
  const showRows = () => {
    const found = comparisons().find(
      (row) => String(row[0]) === model.value && String(row[1]) === baseline.value);
    const letters = found ? [...found[3]] : [];
    const needle = search.value.trim().toLocaleLowerCase();
    const has = (text) => text !== null && text.toLocaleLowerCase().includes(needle);
    rows = letters.map((letter, place) => [place, letter]).filter(([place, letter]) =>
      (verdict.value === "all" || verdict.value === letter) &&
      (!needle || has(data.prompts[language.value][place][0]) ||
        has(response(model.value, place)) || has(response(baseline.value, place))));
    const tally = (letter) => letters.filter((each) => each === letter).length;
    const rare = tally("w") < tally("l") ? "w" : "l";
    // A tie of two different responses is a verdict that flipped with their order.
    const rank = ([place, letter]) => letter === "-" ? 4 : letter === rare ? 1 : letter !== "t" ? 2
      : response(model.value, place) === response(baseline.value, place) ? 3 : 0;
    if (order.value === "telling") rows.sort((a, b) => rank(a) - rank(b) || a[0] - b[0]);
    count.textContent = `${tally("w")} wins, ${tally("t")} ties, ${tally("l")} losses in the ` +
      `${letters.length} prompts here; ${rows.length} match the filter.`;
    list.replaceChildren();
    shown = 0;
    showMore();
  };
  const showBaselines = () => {
    const held = comparisons().filter((row) => String(row[0]) === model.value);
    fill(baseline, distinct(held.map((row) => row[1])).map((run) => [run, data.runs[run]]), baseline.value);
    showRows();
  };
  const showModels = (wanted) => {
    const held = distinct(comparisons().map((row) => row[0]));
    fill(model, held.map((run) => [run, data.runs[run]]), wanted ?? model.value);
    showBaselines();
  };

  document.querySelector(".controls").hidden = false;
  fill(language, Object.entries(data.languages).map(([code, [name]]) => [code, `${name} (${code})`]));
  fill(order, [["telling", "flips, then surprises"], ["asked", "as they were asked"]]);
  fill(verdict, [["all", "all"], ["w", "model wins"], ["t", "tie"], ["l", "model loses"]]);
  language.addEventListener("change", () => showModels());
  model.addEventListener("change", showBaselines);
  baseline.addEventListener("change", showRows);
  verdict.addEventListener("change", showRows);
  order.addEventListener("change", showRows);
  search.addEventListener("input", showRows);
  more.addEventListener("click", showMore);
  showModels(data.shown);
})();
