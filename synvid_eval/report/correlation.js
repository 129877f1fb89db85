// A correlation's page: selections that show in every plot and table, families, logarithmic axes, CSV. See `shell.js`.
const kinds = ["pearson", "spearman", "kendall"];
const lines = rows => rows.map(row => row.map(quoted).join(",")).join("\n") + "\n";
const whether = v => v == null ? "" : v ? "True" : "False";
// The CSV is the one of `--csv`.
const coefficients = metrics => lines([
  "metric,coefficient,n,value,interval_low,interval_high,bootstrap_low,bootstrap_high,family_bootstrap_low,family_bootstrap_high,p,p_free,p_holm,q,p_best,band_n,band_value,partial,as_expected,state,verdict".split(","),
  ...metrics.flatMap(m => kinds.map(kind => {
    const c = m[kind] ?? {}, pair = v => [real(v?.[0]), real(v?.[1])];
    return [m.metric, kind, m.n, real(c.value), ...pair(c.interval), ...pair(c.bootstrap), ...pair(c.family_bootstrap), real(c.p), real(c.p_free), real(c.p_holm), real(c.q),
      real(m.p_best), m.band?.n ?? "", real(m.band?.[kind]?.value), real(m.partial?.[kind]?.value), whether(m.as_expected), m.state, m.verdict];
  }))]);
const values = sets => lines([["set", "dataset", "family", "accuracy", "std", "seeds", "gap_closed", "in_band", ...data().metrics.map(m => m.metric)],
  ...sets.map(i => { const s = data().sets[i]; return [s.name, s.dataset, s.family, real(s.accuracy), real(s.std), s.seeds ?? "", real(s.gap_closed), whether(s.in_band), ...data().metrics.map(m => real(m.values?.[i]))]; })]);
own.name = "correlation";
own.csv = {correlation: () => coefficients(data().metrics), sets: () => values(data().sets.map((_, i) => i))};
own.rows = (table, rows) => {
  if (table.id === "values") return values(rows.map(r => +r.dataset.set));
  const names = [...rows, ...table.tFoot?.rows ?? []].map(r => r.dataset.row);
  return coefficients(names.map(n => data().metrics.find(m => m.metric === n)).filter(Boolean));
};
own.under = svg => $("summary .bounds", svg.closest("[data-metric]"))?.textContent ?? "";
own.gone = "tr,li,.figure *,.small-scatter *";
own.faded = ".figure,.small-scatter";
own.marked = ".film";
own.preview = tag => data().media[sides.get(tag)];

// Families: those that are hidden or highlighted, and their names as the reader wants them.
const familyOf = new Map($$("#values tbody tr").map(row => [row.dataset.set, $("[data-family]", row)?.dataset.family]));
const families = new Map($$(".names [data-family]").map(e => [e.dataset.family, e.textContent]));
const members = index => [...familyOf].filter(([, k]) => k === index).map(([tag]) => tag);
let hovered;
own.off = () => state.getAll("nofamily").flatMap(members);
own.lit = () => [...state.getAll("family"), hovered].flatMap(members);
const cut = (text, most) => text.length <= most ? text : `${text.slice(0, most / 2)}…${text.slice(1 - most / 2)}`;
let renamed = "";
restorers.push(() => {
  const gone = state.getAll("nofamily"), lit = state.getAll("family");
  $$("[data-kind]").forEach(e => { e.classList.toggle("away", gone.includes(e.dataset.kind)); e.classList.toggle("lit", lit.includes(e.dataset.kind)); });
  $$(".legend [data-family]").forEach(e => e.classList.toggle("away", gone.includes(e.dataset.family)));
  const now = [...state].filter(([k]) => k.startsWith("as.")).join();
  if (now === renamed) return;
  renamed = now;
  for (const e of $$("[data-family]")) {
    const name = (state.get(`as.${e.dataset.family}`) || families.get(e.dataset.family)) ?? "", text = e.matches("g") ? $("text", e) : $("bdi", e) ?? e;
    text.textContent = e.matches("g") ? cut(name, 22) : name;
  }
});
const kin = () => [...families].map(([index, name]) => {
  const show = make("input", {type: "checkbox", "aria-label": `Show ${name}`, change: () => swap("nofamily", index)});
  const as = make("input", {type: "text", maxlength: 60, "aria-label": `Name of the family ${name}`, input: () => { keep(`as.${index}`, as.value === name ? "" : as.value); restorers.forEach(f => f()); }});
  const lit = button("Highlight", () => swap("family", index), {"aria-label": `Highlight ${name}`});
  const restore = () => {
    show.checked = !state.getAll("nofamily").includes(index);
    lit.setAttribute("aria-pressed", state.getAll("family").includes(index));
    const text = state.get(`as.${index}`) || name;
    if (as.value !== text && document.activeElement !== as) as.value = text;
  };
  restorers.push(restore);
  restore();
  return make("div", {class: "row"}, show, $(`.names [data-kind="${index}"] .swatch`).cloneNode(true), as, lit);
});
const toolbox = () => {
  const rows = kin(), rest = rows.splice($(".names").children.length);  // folded as they are in the legend
  return [make("p", {class: "key"}, "Coefficients and lines stay those of all sets."), ...rows,
    rest.length ? make("details", {}, make("summary", {}, `${rest.length} more families`), ...rest) : "",
    button("As it was", () => {
      for (const key of [...state.keys()]) if (/^(as\.|(no)?family$)/.test(key)) state.delete(key);
      write();
      document.activeElement.blur();
      restorers.forEach(f => f());
    })];
};

// A mark says which set it is and what was measured of it; it is selected by a click, Enter, or a rectangle.
const shortly = v => v == null ? "–" : String(+(+v).toPrecision(3)).replace("-", "−");
const metricOf = point => data().metrics.find(m => m.metric === point.closest("[data-metric]").dataset.metric);
// A family's marks are one path until they come near: then each set has an element of its own.
const drawn = (tag, props) => { const e = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [key, value] of Object.entries(props)) e.setAttribute(key, value); return e; };
const pieces = path => path?.getAttribute("d").match(/M[^M]*/g) ?? [];
const split = svg => $$(".marks", svg).forEach(lane => {
  const names = $(".labels", lane), leader = $(".leader", lane), ways = pieces(leader), named = names?.dataset.sets.split(" ") ?? [], texts = [...names?.children ?? []], small = svg.matches(".small-scatter");
  for (const group of $$(".points", lane)) {
    const [marks, ...bars] = [...group.children], parts = bars.map(pieces);
    group.replaceChildren(...pieces(marks).map((d, i) => {
      const tag = group.dataset.sets.split(" ")[i], k = named.indexOf(tag), mark = drawn("path", {d, class: "mark"});
      if (small) { mark.dataset.set = tag; return mark; }
      const point = drawn("g", {class: "point", "data-set": tag});
      if (/L/.test(ways[k])) point.append(drawn("path", {class: "leader", d: ways[k]}));
      bars.forEach((bar, b) => point.append(drawn("path", {class: bar.getAttribute("class"), d: parts[b][i]})));
      point.append(mark, ...k < 0 ? [] : [texts[k]]);
      return point;
    }));
  }
  names?.remove();
  leader?.remove();
});
const parted = new WeakSet();
const prepare = svg => { if (parted.has(svg)) return; parted.add(svg); split(svg); if (!svg.matches(".small-scatter")) $$(".point", svg).forEach((point, i) => {
  const tag = point.dataset.set, m = metricOf(point);
  const label = `${sides.get(tag)}, accuracy ${shortly(data().sets[tag].accuracy)}, ${m?.metric} ${shortly(m?.values[tag])}`;
  for (const [key, value] of [["role", "button"], ["tabindex", i ? -1 : 0], ["aria-label", label], ["aria-pressed", state.getAll("set").includes(tag)]]) point.setAttribute(key, value);
}); if (svg.dataset.log) bend(svg); };
// Where a name may break, as in the page.
const broken = text => { const parts = text.split(/(?<=[_\-/.])/); return parts.length > 50 ? [text] : parts.flatMap((part, i) => i ? [make("wbr"), part] : [part]); };
own.card = point => {
  const tag = point.dataset.set, s = data().sets[tag], here = metricOf(point), family = familyOf.get(tag);
  const told = data().metrics.filter(m => m !== here).slice(0, 14), row = (a, b, strong) => make("div", {}, make("dt", {}, ...broken(a)), make("dd", {}, strong ? make("b", {}, b) : b));
  const facts = [row("accuracy", `${shortly(s.accuracy)} %${s.std == null ? "" : ` ± ${shortly(s.std)}`}`, true)];
  if (s.gap_closed != null) facts.push(row("gap closed", `${shortly(s.gap_closed)} %`));
  for (const m of [here, ...told]) if (m) facts.push(row(m.metric, `${shortly(m.values[tag])}${m.unit ? " " + m.unit : ""}`, m === here));
  const image = $(`.film [data-set="${tag}"] img`), clip = image && own.preview(tag);
  return {id: s.name, lines: [make("b", {}, ...broken(s.name)), family == null ? "" : make("p", {}, $(`#values [data-set="${tag}"] .swatch`).cloneNode(true), " ", state.get(`as.${family}`) || families.get(family) || s.family), make("dl", {}, ...facts)],
    image: image && make("img", {src: image.src, width: image.width, height: image.height, alt: ""}), video: /^GkXfo/.test(clip?.video) && (() => clip.video)};
};
own.press = point => swap("set", point.dataset.set);
own.other = (p, q) => familyOf.get(p.dataset.set) !== familyOf.get(q.dataset.set);
const clear = button("Clear selection", () => { for (const key of ["set", "family"]) state.delete(key); write(); restorers.forEach(f => f()); }, {hidden: true});
restorers.push(() => {
  const now = state.getAll("set");
  $$(".point[role],.pick").forEach(e => e.setAttribute("aria-pressed", now.includes(e.closest("[data-set]").dataset.set)));
  clear.hidden = !now.length && !state.has("family");
});
if (sides.size <= 400) for (const [tag] of sides) {
  const name = $(`#values tr[data-set="${tag}"] th bdi`), pick = button("", () => swap("set", tag), {class: "pick", "aria-pressed": "false"});
  name.before(pick);
  pick.append($(".swatch", name.parentNode), " ", name);
}
const brush = make("div", {class: "brush", hidden: true});
let from, dragged;
const framed = (a, b) => ({left: Math.min(a.x, b.x), top: Math.min(a.y, b.y), right: Math.max(a.x, b.x), bottom: Math.max(a.y, b.y)});
const within = (svg, frame) => $$(".point", svg).filter(point => {
  const {left, right, top, bottom} = $(".mark", point).getBoundingClientRect(), x = (left + right) / 2, y = (top + bottom) / 2;
  return right > left && x >= frame.left && x <= frame.right && y >= frame.top && y <= frame.bottom;
}).map(point => point.dataset.set);
document.addEventListener("pointerdown", e => {
  dragged = false;
  const svg = e.target.closest?.("svg.scatter,svg.influence");
  from = svg && e.pointerType !== "touch" && !e.button ? {svg, x: e.clientX, y: e.clientY} : null;
  if (from) e.preventDefault();
});
document.addEventListener("pointermove", e => {
  if (!from || !dragged && Math.hypot(e.clientX - from.x, e.clientY - from.y) < 5) return;
  if (!dragged) close();
  dragged = true;
  brush.hidden = false;
  const {left, top, right, bottom} = framed(from, {x: e.clientX, y: e.clientY});
  for (const [key, value] of Object.entries({left, top, width: right - left, height: bottom - top})) brush.style[key] = `${value}px`;
});
document.addEventListener("pointerup", e => {
  if (from && dragged) {
    const tags = new Set([...e.shiftKey ? state.getAll("set") : [], ...within(from.svg, framed(from, {x: e.clientX, y: e.clientY}))]);
    state.delete("set");
    tags.forEach(tag => state.append("set", tag));
    write();
    restorers.forEach(f => f());
    say(`${tags.size} ${tags.size === 1 ? "set" : "sets"} selected.`);
  }
  from = null;
  brush.hidden = true;
});
document.addEventListener("pointercancel", () => { from = null; brush.hidden = true; });
document.addEventListener("click", e => { if (dragged) { dragged = false; e.stopPropagation(); e.preventDefault(); } }, true);
document.addEventListener("pointerover", e => {
  if (from && dragged) e.stopPropagation();  // no card over what is being selected
  hovered = e.target.closest?.(".names [data-kind]")?.dataset.kind ?? e.target.closest?.(".legend [data-family]")?.dataset.family;
}, true);
document.addEventListener("focusin", e => light(e.target.closest?.("[data-set]")?.dataset.set));

// A logarithmic axis: where marks, bars and names go stands in the picture.
const straight = new WeakMap();
const bend = svg => {
  const on = state.getAll("log").includes(svg.closest("[data-metric]").dataset.metric);
  if (on) prepare(svg);
  if (svg.classList.contains("log") === on) return;
  svg.classList.toggle("log", on);
  const told = svg.dataset.log.split(";").map(text => text.split(" ").map(Number));
  $$(".point", svg).forEach((point, i) => {
    const [shift, low, high, x, y, end, toX, toY] = told[i], [text, bar, line] = ["text", ".spread", ".leader"].map(q => $(q, point));
    if (!straight.has(point)) straight.set(point, [bar?.getAttribute("d"), line?.getAttribute("d"), text && ["x", "y", "text-anchor"].map(k => text.getAttribute(k))]);
    const [bars, leads, anchor] = straight.get(point), mark = $(".mark", point), put = (e, key, value) => value == null ? e.removeAttribute(key) : e.setAttribute(key, value);
    [mark, $(".seeds", point)].forEach(e => e && put(e, "transform", on ? `translate(${shift} 0)` : null));
    if (bar) put(bar, "d", on ? `M${low} ${/ ([\d.]+)H/.exec(bars)[1]}H${high}` : bars);
    if (!text) return;
    (on ? [x, y, end ? "end" : null] : anchor).forEach((value, k) => put(text, ["x", "y", "text-anchor"][k], value));
    [...text.children].forEach(line => put(line, "x", text.getAttribute("x")));
    let way = line;
    if (!way && on && toX != null) { way = document.createElementNS("http://www.w3.org/2000/svg", "path"); way.classList.add("leader"); mark.before(way); }
    if (!way) return;
    const box = mark.getBBox(), atX = box.x + box.width / 2 + shift, atY = box.y + box.height / 2;
    put(way, "d", on ? toX == null ? "" : `M${atX} ${atY}L${toX} ${toY}` : leads ?? "");
  });
};
$$("svg[data-log]").forEach(svg => {
  const name = svg.closest("[data-metric]").dataset.metric, act = button("log axis", () => swap("log", name), {"aria-label": `Logarithmic axis of ${name}`, "aria-pressed": "false"});
  svg.closest("figure").prepend(make("div", {class: "tools axis"}, act));
  restorers.push(() => { const on = state.getAll("log").includes(name); act.setAttribute("aria-pressed", on); bend(svg); });
});

// Which metrics are unfolded: kept where it is not as it was at first.
const folds = $$("details.opens"), first = new Set(folds.filter(d => d.open)), nameOf = d => d.dataset.metric;
restorers.push(() => folds.forEach(d => { d.open = first.has(d) !== state.getAll("fold").includes(nameOf(d)); }));
folds.forEach(d => d.addEventListener("toggle", e => {
  if (e.target !== d || "was" in d.dataset) return;
  state.delete("fold");
  folds.filter(f => f.open !== first.has(f)).forEach(f => state.append("fold", nameOf(f)));
  write();
}));
const reveal = id => { const d = byId(id)?.closest("details.opens"); if (d) d.open = true; };
document.addEventListener("click", e => {
  const to = e.target.closest?.("a[href^='#metric-']"), kind = e.target.closest?.(".names [data-kind]")?.dataset.kind ?? e.target.closest?.(".legend [data-family]")?.dataset.family;
  if (to) { state.set("at", to.hash.slice(1)); reveal(state.get("at")); }
  if (kind != null) swap("family", kind);
});
addEventListener("hashchange", () => reveal(state.get("at")));

const near = new IntersectionObserver(seen => seen.forEach(({isIntersecting, target}) => {
  if (!isIntersecting) return;
  near.unobserve(target);
  prepare(target);
}), {rootMargin: "200px"});
const plots = $$("svg.scatter,svg.influence,.small-scatter");
plots.forEach(e => near.observe(e));
own.paper = () => plots.forEach(prepare);
byId("main").append(brush);
begin([clear, families.size > 1 ? lazy("Families", toolbox) : "", sides.size > 1 ? lazy("Sets", list) : ""].filter(Boolean),
  table => table.id === "matrix" ? {choose: ["metrics", "columns"]} : {choose: ["sets", "columns"], find: true});
reveal(state.get("at"));
