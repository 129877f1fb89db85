// What the page can do beyond being read: everything here adds to a document that is complete without it.
// The view (sorting, filters, columns, highlight, theme) lives in location.hash; nothing is ever requested.
"use strict";
(() => {
const root = document.documentElement;
const $ = (query, at = document) => at.querySelector(query);
const $$ = (query, at = document) => [...at.querySelectorAll(query)];
const byId = id => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const make = (tag, props = {}, ...inside) => {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === "function") e.addEventListener(key, value);
    else if (value !== false && value != null) e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...inside);
  return e;
};
const button = (label, click, props = {}) => make("button", {type: "button", click, ...props}, label);
const block = $("script[type='application/json']");
let parsed;
// What occurs more than once stands once, a line each; `"#3"` stands for line 3.
const whole = () => { const lines = (byId("shared")?.textContent ?? "").split("\n"); return block.textContent.replace(/(?<!\\)"#(\d+)"/g, (all, k) => lines[k] || all); };
const data = () => parsed ??= JSON.parse(whole());  // only once somebody asks: it holds the videos
const said = make("p", {role: "status", class: "said"});
const say = text => { said.textContent = text; clearTimeout(say.timer); say.timer = setTimeout(() => { said.textContent = ""; }, 4000); };

// The view in the address. A link to a section is kept as `at`, beside the rest.
const state = new URLSearchParams();
const restorers = [];
const read = () => {
  const text = location.hash.slice(1);
  if (!text.includes("=")) { state.delete("at"); if (text) state.set("at", text); return; }
  for (const key of [...state.keys()]) state.delete(key);
  for (const [key, value] of new URLSearchParams(text)) state.append(key, value);
};
const write = () => {
  const keys = [...state.keys()];
  const text = keys.length === 1 && keys[0] === "at" ? state.get("at") : String(state);
  history.replaceState(null, "", text ? "#" + text : location.href.split("#")[0]);
};
const keep = (key, value) => { if (value) state.set(key, value); else state.delete(key); write(); };
const swap = (key, value) => {  // of a key with several values
  const all = state.getAll(key);
  state.delete(key);
  (all.includes(value) ? all.filter(v => v !== value) : [...all, value]).forEach(v => state.append(key, v));
  write();
  restorers.forEach(f => f());
};
const choice = (key, label, options) => {
  const select = make("select", {change: () => { keep(key, select.value); show(); }});
  for (const [value, text] of options) select.append(make("option", {value}, text));
  const show = () => { select.value = state.get(key) ?? ""; if (select.selectedIndex < 0) select.value = ""; shows[key](select.value); };
  restorers.push(show);
  return make("label", {}, label, select);
};
const menu = (label, ...inside) => make("details", {class: "menu"}, make("summary", {}, label), make("div", {class: "panel"}, ...inside));

// Files and the clipboard.
const save = (name, blob) => {
  const a = make("a", {download: name, href: URL.createObjectURL(blob)});
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
};
const slug = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 80);
const copy = async (text, what) => {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = make("textarea", {class: "hidden"}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`Copied ${what}.`);
};
// The JSON as it was, the posters put back where they were taken from.
const json = () => whole().replace(/"poster":"#(clip-\w+-\d+)"/g, (all, id) => byId(id) ? `"poster":"${byId(id).src.split(",")[1]}"` : all);
const real = v => {  // a float as Python writes it, so that the CSV is the one of `--csv`
  if (typeof v !== "number") return v ?? "";
  const [digits, power] = v.toExponential().split("e");
  if (v && (power < -4 || power > 15)) return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  return (Object.is(v, -0) ? "-0" : String(v)) + (Number.isInteger(v) ? ".0" : "");
};
const quoted = v => /[",\n\r]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v;
const csv = scores => !scores.length ? "" : ["candidate,metric,value,corrected,low,high,level,unit,better,reference,floor,n_candidate,n_reference,reason,interval_reason,signature"]
  .concat(scores.map(s => [s.candidate, s.metric, real(s.value), real(s.corrected), real(s.interval?.[0]), real(s.interval?.[1]), real(s.level), s.unit, s.better,
    real(s.detail.reference), real(s.detail.floor), s.n.candidate, s.n.reference, s.reason ?? "", s.interval_reason ?? "", s.signature].map(quoted).join(","))).join("\n") + "\n";
const saves = () => [button("Save JSON", () => save("comparison.json", new Blob([json() + "\n"], {type: "application/json"}))),
  button("Save CSV", () => save("comparison.csv", new Blob([csv(data().scores)], {type: "text/csv"})))];

// Tables: sort, filter, choose columns, copy.
const sides = new Map($$(".sets tbody tr").map(row => [row.dataset.set, $("bdi", row).textContent]));
const tags = new Map([...sides].reverse().map(([tag, name]) => [name, tag]));
const collator = new Intl.Collator(undefined, {numeric: true});
const label = head => head.dataset.metric ?? head.textContent.trim();
const words = cell => [...($(".sort", cell) ?? cell).childNodes].filter(n => !n.matches?.(".badge,.hidden,svg")).map(n => n.textContent).join("").replace(/\s+/g, " ").trim();
const greek = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau upsilon phi chi psi omega".split(" ");
const tex = text => text.replace(/[\\{}$&#_%~^<>|−–≈↓↑²³×·α-ωΔΣ]/g, c => c >= "α" && c <= "ω" ? `$\\${greek[c.charCodeAt() - 945]}$`.replace("\\o$", "o$") : ({
  "²": "$^2$", "³": "$^3$", "×": "$\\times$", "·": "$\\cdot$", "Δ": "$\\Delta$", "Σ": "$\\Sigma$", "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
  "|": "\\textbar{}", "−": "$-$", "–": "--", "≈": "$\\approx$", "↓": "$\\downarrow$", "↑": "$\\uparrow$"})[c] ?? "\\" + c);
const enhance = table => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], natural = [...body.rows], id = table.id;
  const key = name => `${id}.${name}`;
  const cells = row => [...row.cells].flatMap(c => [c, ...Array(c.colSpan - 1).fill(null)]);
  const value = (row, i) => {
    const cell = cells(row)[i];
    if (!i) return words(cell);
    if (!cell || cell.matches(".reason")) return undefined;
    const [number] = cell.dataset.n ? [cell.dataset.n] : /[−-]?[\d.]+(e[−-]?\d+)?/.exec(words(cell)) ?? [];
    return number?.replaceAll("−", "-");
  };
  let sorted = "";
  const sort = () => {
    if (sorted === (sorted = state.get(key("sort")) ?? "")) return;
    const [, name, way] = /^(.*):(up|down)$/.exec(state.get(key("sort")) ?? "") ?? [];
    const at = heads.findIndex(h => label(h) === name), sign = way === "up" ? 1 : -1;
    heads.forEach((h, i) => i === at ? h.setAttribute("aria-sort", way === "up" ? "ascending" : "descending") : h.removeAttribute("aria-sort"));
    const rows = at < 0 ? natural : natural.slice().sort((a, b) => {
      const [p, q] = [value(a, at), value(b, at)];
      if (p === undefined || q === undefined) return (p === undefined) - (q === undefined);
      return sign * (at ? p - q : collator.compare(p, q));
    });
    body.append(...rows);
  };
  for (const [i, head] of heads.entries()) {
    if (head.classList.contains("picture")) continue;
    const ways = "down" in head.dataset ? ["down", "up", ""] : ["up", "down", ""];
    const b = button("", () => {
      const [, name, way] = /^(.*):(up|down)$/.exec(state.get(key("sort")) ?? "") ?? [];
      const next = ways[name === label(head) ? ways.indexOf(way) + 1 : 0];
      keep(key("sort"), next && `${label(head)}:${next}`);
      sort();
      const up = next === "up", by = "near" in head.dataset ? `${up ? "nearest to" : "farthest from"} ${sides.get("ref")}` : up ? "smallest" : "largest";
      say(!next ? "In the original order." : i ? `Sorted by ${label(head)}, ${by} first.` : `Sorted by name, ${up ? "A" : "Z"} first.`);
    }, {class: "sort"});
    const name = label(head);
    b.append(...head.childNodes);
    head.append(b);
    head.dataset.metric = name;
  }
  restorers.push(sort);
  const bar = make("div", {class: "tools"}), count = make("span", {class: "unit", role: "status"});
  if (table.classList.contains("overview")) {
    const find = finder();
    const told = make("input", {type: "checkbox", change: () => { keep(key("told"), told.checked && "yes"); show(); }});
    const hidden = () => new Set(state.getAll(key("hide")));
    const box = (name, text) => {
      const one = make("input", {type: "checkbox", change: () => {
        const off = hidden();
        off[one.checked ? "delete" : "add"](name);
        state.delete(key("hide"));
        off.forEach(n => state.append(key("hide"), n));
        write();
        show();
      }});
      boxes.push([name, one]);
      return make("label", {}, one, text);
    };
    const boxes = [], metrics = heads.slice(1);
    const chooser = menu("Columns", ...metrics.map(h => box(label(h), label(h))), box("intervals", make("i", {}, "intervals")));
    const show = () => {
      const off = hidden(), only = state.get(key("told"));
      told.checked = !!only;
      boxes.forEach(([name, one]) => { one.checked = !off.has(name); });
      table.classList.toggle("plain", off.has("intervals"));
      const seen = heads.map((h, i) => !i || !off.has(label(h)) && (!only || "told" in h.dataset));
      for (const row of table.rows) [...row.cells].forEach((c, i) => { c.hidden = !seen[i]; });
      const rows = natural.filter(there).length, columns = seen.filter(Boolean).length - 1, parts = [];
      table.parentNode.hidden = !rows || !columns;
      if (!rows) parts.push(state.get("find") ? `No set is called “${state.get("find")}”.` : "All sets are hidden.");
      else if (!columns) parts.push(only ? "No metric separates these sets." : "All columns are hidden.");
      else {
      if (rows < natural.length) parts.push(`${rows} of ${natural.length} sets`);
      if (columns < metrics.length) parts.push(`${columns} of ${metrics.length} metrics`);
      }
      count.textContent = parts.join(", ");
    };
    restorers.push(show);
    if (natural.length > 1) bar.append(find, make("label", {}, told, "only separable"));
    bar.append(chooser);
  }
  const grid = () => {
    const use = heads.map(h => !h.hidden && !h.classList.contains("picture"));
    const rows = [...body.rows].filter(there), foot = [...table.tFoot?.rows ?? []];
    return {rows, table: [heads, ...rows.map(cells), ...foot.map(cells)].map(r => r.filter((_, i) => use[i]))};
  };
  const copies = {
    Markdown: () => grid().table.map((row, i) => `| ${row.map(c => c ? words(c).replace(/[\\|<`*]/g, "\\$&") : "").join(" | ")} |` + (i ? "" : `\n|${row.map((_, k) => k ? "---:|" : "---|").join("")}`)).join("\n") + "\n",
    LaTeX: () => {
      const rows = grid().table.map(row => row.map(c => !c ? "" : c.tagName === "TD" && $(".badge", c) ? `\\textbf{${tex(words(c))}}` : tex(words(c))).join(" & ") + " \\\\");
      return `% needs \\usepackage{booktabs}\n\\begin{tabular}{l${"r".repeat(grid().table[0].length - 1)}}\n\\toprule\n${rows[0]}\n\\midrule\n${rows.slice(1, -1).join("\n")}\n\\midrule\n${rows.at(-1)}\n\\bottomrule\n\\end{tabular}\n`;
    },
    CSV: () => {
      const own = table.closest("[data-metric]")?.dataset.metric, {rows} = grid();
      const metrics = own ? [own] : heads.slice(1).filter(h => !h.hidden).map(label);
      const names = rows.map(r => setName(r.dataset.set));
      return csv(names.flatMap(n => metrics.flatMap(m => data().scores.filter(s => s.candidate === n && s.metric === m))));
    },
  };
  bar.append(menu("Copy", ...Object.entries(copies).map(([kind, text]) => button(`as ${kind}`, () => copy(text(), `${grid().rows.length} rows as ${kind}`)))), count);
  if (table.classList.contains("overview")) table.closest(".scroll").before(bar); else table.closest("section").prepend(bar);
};

// Figures as files: computed styles become attributes, in light colors on white, so that the SVG stands alone.
const initial = {fill: "rgb(0, 0, 0)", "fill-opacity": "1", stroke: "none", "stroke-width": "1px", "stroke-dasharray": "none", "stroke-opacity": "1", "stroke-linejoin": "miter",
  "stroke-linecap": "butt", "text-anchor": "start", "font-size": "", "font-weight": "400", "font-family": "", "font-style": "normal", "dominant-baseline": "auto"};
const standalone = svg => {
  const {theme} = root.dataset;
  root.dataset.theme = "light";
  const clone = svg.cloneNode(true), copies = $$("*", clone), [, , width, height] = svg.getAttribute("viewBox").split(" ");
  $$("*", svg).forEach((e, i) => {
    const to = copies[i], style = getComputedStyle(e);
    if (style.display === "none" && !e.matches("title,desc,defs,defs *")) to.dataset.gone = "";
    if (style.opacity !== "1") to.setAttribute("opacity", style.opacity);
    if (!e.matches("g,a,svg,title,desc,defs")) for (const [name, usual] of Object.entries(initial)) {
      const own = style.getPropertyValue(name);
      if (own !== usual && (!/^(font|text|dom)/.test(name) || e.matches("text,tspan"))) to.setAttribute(name, own);
    }
    for (const name of ["class", "tabindex", "role", "aria-label", "data-set", "data-clip", "data-clips", "data-metric"]) to.removeAttribute(name);
  });
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  $$("[data-gone]", clone).forEach(e => e.remove());
  for (const name of ["class", "data-metric"]) clone.removeAttribute(name);
  for (const [name, value] of Object.entries({xmlns: "http://www.w3.org/2000/svg", width, height})) clone.setAttribute(name, value);
  const figure = svg.closest("figure"), tall = +height + 40, part = (tag, props, text = "") => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(props)) e.setAttribute(name, value);
    e.textContent = text;
    return e;
  };
  const font = {x: 8, "font-family": "system-ui, sans-serif", fill: "rgb(27, 29, 33)"}, cut = text => text.length > 56 ? text.slice(0, 55) + "…" : text;
  ($("desc", clone) ?? $("title", clone)).after(part("rect", {y: -40, width, height: tall, fill: "#fff"}),
    part("text", {...font, y: -22, "font-size": "13px", "font-weight": 600}, cut($("figcaption", figure).textContent)),
    part("text", {...font, y: -7, "font-size": "11px"}, cut(`${figure.closest("[data-metric]").dataset.metric}, beside ${sides.get("ref")}`)));
  clone.setAttribute("viewBox", `0 -40 ${width} ${tall}`);
  clone.setAttribute("height", tall);
  return {text: new XMLSerializer().serializeToString(clone), width: +width, height: tall};
};
const png = async svg => {
  const {text, width, height} = standalone(svg), image = new Image(), canvas = make("canvas", {width: 3 * width, height: 3 * height});
  image.src = "data:image/svg+xml," + encodeURIComponent(text);
  await image.decode();
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done));
};

// Players: hover (mouse) and focus (keyboard) play for as long as they last, a click until the next one.
const playing = new Set();
const setName = tag => tag === "ref" ? data().reference.name : data().candidates[tag].name;
const player = (screen, film, name) => {
  let video, pinned = false, on = false;
  const act = button("", () => toggle(), {class: "play", "aria-label": `Play ${name}`, "aria-pressed": "false"});
  const set = now => { on = now; act.setAttribute("aria-pressed", now); playing[now ? "add" : "delete"](stop); pause.hidden = !playing.size; };
  const play = () => {
    if (!video) {
      video = make("video", {muted: true, loop: true, playsinline: true, preload: "none", poster: $("img", screen)?.src, "aria-hidden": "true", tabindex: "-1"});
      video.muted = true;
      video.src = "data:video/webm;base64," + film();
      act.before(video);
    }
    set(true);
    video.play().catch(() => set(false));
  };
  const stop = () => { pinned = false; video?.pause(); set(false); };
  const toggle = () => { if (on) stop(); else { pinned = true; play(); } };
  const look = () => { if (!on && !still.matches) play(); };
  const leave = () => { if (on && !pinned) stop(); };
  screen.addEventListener("pointerenter", e => { if (e.pointerType === "mouse") look(); });
  screen.addEventListener("pointerleave", leave);
  act.addEventListener("focus", () => { if (act.matches(":focus-visible")) look(); });
  act.addEventListener("blur", leave);
  screen.append(act);
  return {look, stop, toggle};
};
const pause = button("Pause all", () => playing.forEach(stop => stop()), {hidden: true, class: "pause"});
const preview = (set, place) => data().media.clips[setName(set)][place];
const filmed = screen => {
  const [set, place] = screen.dataset.film.split(" ");
  player(screen, () => preview(set, place).video, $("img", screen).alt.replace(/^A frame of /, ""));
};
const fill = cell => {  // nearest and farthest in a metric's section: the picture that the page has already
  const image = byId(cell.dataset.show);
  if (!image || $(".screen", cell)) return;
  const twin = image.cloneNode();
  twin.removeAttribute("id");
  const screen = make("div", {class: "screen"}, twin);
  cell.prepend(screen);
  if (image.parentNode.dataset.film) { screen.dataset.film = image.parentNode.dataset.film; filmed(screen); }
};

// The points of a picture, once it is near: one tab stop, arrows between them. The card of a point: which
// clip it is, and the clip itself.
const setOf = point => point.closest("[data-set]").dataset.set;
const factsOf = point => {
  const metric = data().media?.metrics?.[point.closest("[data-metric]").dataset.metric], name = setName(setOf(point)), at = +point.dataset.clip;
  const {ids, distance} = metric?.sets?.[name]?.clips ?? {}, far = distance?.[at];
  return {name, id: String(ids?.[at] ?? "clip"), far: Number.isFinite(far) ? `distance ${+far.toPrecision(3)}` : "", what: metric?.axes?.distance};
};
const prepare = svg => $$(".points", svg).forEach((group, n) => {
  const places = group.dataset.clips.split(" "), marks = group.firstElementChild.getAttribute("d").match(/M[^M]*/g);
  group.replaceChildren(...marks.map(d => {
    const point = document.createElementNS("http://www.w3.org/2000/svg", "path");
    point.setAttribute("d", d);
    point.classList.add("point");
    return point;
  }));
  [...group.children].forEach((point, i) => {
    point.dataset.clip = places[i];
    const {name, id, far} = factsOf(point);
    for (const [key, value] of [["role", "button"], ["tabindex", n + i ? -1 : 0], ["aria-label", `${id}, ${name}${far && ", " + far}`]]) point.setAttribute(key, value);
  });
});
const card = make("div", {class: "card", role: "dialog", "aria-label": "A clip", hidden: true});
let shown, film, closing;
const close = () => { film?.stop(); film = shown = null; card.hidden = true; };
const open = point => {
  clearTimeout(closing);
  if (point === shown) return;
  close();
  shown = point;
  const {name, id, far, what} = factsOf(point);
  const clip = [data().media?.clips?.[name]].flat().find(c => c?.id === id);
  card.replaceChildren(make("b", {}, id), make("p", {}, $(`.sets [data-set="${setOf(point)}"] .swatch`).cloneNode(true), " ", name));
  if (far) card.append(make("p", {class: "unit", title: what}, far));
  const poster = clip?.poster, source = byId(String(poster).slice(1))?.src ?? (/^UklGR/.test(poster) ? "data:image/webp;base64," + poster : null);
  if (source) {
    const screen = make("div", {class: "screen"}, make("img", {src: source, width: clip.width, height: clip.height, alt: ""}));
    card.prepend(screen);
    if (/^GkXfo/.test(clip.video)) { film = player(screen, () => clip.video, id); film.look(); }
  } else card.append(make("p", {class: "unit"}, "no preview"));
  card.hidden = false;
  const at = point.getBoundingClientRect(), own = card.getBoundingClientRect();
  card.style.left = `${Math.max(8, Math.min(at.right + 10, root.clientWidth - own.width - 8)) + scrollX}px`;
  card.style.top = `${(at.bottom + own.height + 10 < innerHeight || at.top < own.height + 60 ? at.bottom + 8 : at.top - own.height - 8) + scrollY}px`;
};
const pointOf = e => e.target.closest?.(".point");
const walk = (point, key) => {
  const all = $$(".point", point.closest("svg")), at = all.indexOf(point), other = p => setOf(p) !== setOf(point);
  return {ArrowRight: all[at + 1], ArrowLeft: all[at - 1], Home: all[0], End: all.at(-1), ArrowDown: all.slice(at).find(other), ArrowUp: all.slice(0, at).findLast(other)}[key];
};

// Sets: those that are hidden or filtered away leave every table, picture and gallery; beside highlighted ones
// the others fade.
const sheet = document.styleSheets[0];
const styled = () => {
  let at = -1, now = "";
  return text => {
    if (text === now) return;
    now = text;
    if (at < 0) at = sheet.insertRule("@media all{}", sheet.cssRules.length);
    sheet.deleteRule(at);
    sheet.insertRule(text || "@media all{}", at);
  };
};
const hiding = styled(), lighting = styled();
const quote = tags => [...tags].map(tag => `[data-set="${tag}"]`).join(",");
const chosen = key => state.getAll(key).filter(tag => sides.has(tag) && tag !== "ref");
let off = new Set();
const there = row => !off.has(row.dataset.set);
const finders = [];
const finder = () => {
  const find = make("input", {type: "search", placeholder: "Filter sets", "aria-label": "Filter sets by name", value: state.get("find"), input: () => { keep("find", find.value); restorers.forEach(f => f()); }});
  finders.push(find);
  return find;
};
restorers.push(() => {
  const text = state.get("find") ?? "";
  finders.forEach(find => { if (find.value !== text) find.value = text; });
  off = new Set(chosen("hide"));
  sides.forEach((name, tag) => { if (tag !== "ref" && !name.toLowerCase().includes(text.toLowerCase())) off.add(tag); });
  hiding(off.size ? `:is(tr,li,.gallery,.figure g,.ranking g):is(${quote(off)}){display:none!important}` : "");
});
const light = tag => {
  const lit = [...new Set([...chosen("set"), tag])].filter(t => sides.has(t));
  lighting(lit.length ? `@media screen{:is(.figure,.ranking) [data-set]:not(${quote(lit)},[data-set="ref"]){opacity:.13}:is(tr:is(${quote(lit)})>*,.names :is(${quote(lit)})){background:var(--mark)!important}}` : "");
  $$(".rest").forEach(e => e.classList.toggle("lit", lit.includes(e.dataset.set)));
};
const shows = {theme: value => { if (value) root.dataset.theme = value; else delete root.dataset.theme; }};
const list = () => {  // of all sets, once somebody opens it: show, highlight
  const rows = [...sides].filter(([tag]) => tag !== "ref").map(([tag, name]) => {
    const show = make("input", {type: "checkbox", change: () => swap("hide", tag)});
    const lit = button("Highlight", () => swap("set", tag), {"aria-label": `Highlight ${name}`});
    const row = make("div", {class: "row"}, make("label", {}, show, name.slice(0, 60)), lit);
    const restore = () => { show.checked = !state.getAll("hide").includes(tag); lit.setAttribute("aria-pressed", state.getAll("set").includes(tag)); row.hidden = off.has(tag) && show.checked; };
    restorers.push(restore);
    restore();
    return row;
  });
  return [finder(), ...rows, button("Show all", () => { for (const key of ["hide", "find", "set"]) state.delete(key); write(); restorers.forEach(f => f()); })];
};

// Folded tables: lines with tabs become a table when they are unfolded.
const unfold = pre => {
  const rows = pre.textContent.split("\n\n").map(text => text.split("\n").map(line => line.split("\t")));
  pre.replaceWith(make("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": pre.ariaLabel}, ...rows.map(([head, ...body]) => make("table", {},
    make("thead", {}, make("tr", {}, ...head.map(text => make("th", {scope: "col"}, text)))),
    make("tbody", {}, ...body.map(([name, ...cells]) => make("tr", {"data-set": tags.get(name)}, make("th", {scope: "row"}, make("bdi", {}, name)), ...cells.map(text => make("td", {}, text)))))))));
};

// Everything is put in its place.
root.classList.add("js");
const reset = () => { for (const key of [...state.keys()]) state.delete(key); write(); restorers.forEach(f => f()); };
const tools = menu("Tools", choice("theme", "Theme ", [["", "as the system"], ["light", "light"], ["dark", "dark"]]), ...saves(),
  button("Copy link to this view", () => copy(location.href, "the link")), button("Reset the view", reset));
const setsMenu = menu("Sets");
setsMenu.addEventListener("toggle", () => $(".panel", setsMenu).append(...list()), {once: true});
[tools, setsMenu].forEach(m => m.classList.add("end"));
byId("bar").append(make("div", {class: "controls", role: "region", "aria-label": "Tools"}, pause, sides.size > 2 ? setsMenu : "", tools));
byId("downloads").append(...saves());
byId("main").append(card, said);
$$("table.sortable").forEach(enhance);
$$("pre:not(.cells)").forEach(pre => pre.before(button("Copy", () => copy(pre.textContent, "the command"), {class: "copy", "aria-label": `Copy: ${pre.ariaLabel}`})));
$$("figure.plot").forEach(figure => {
  const svg = $("svg", figure), title = $("figcaption", figure).textContent, name = slug(`${figure.closest("[data-metric]").dataset.metric} ${title}`);
  $("details", figure).before(make("div", {class: "tools"},
    button("SVG", () => save(`${name}.svg`, new Blob([standalone(svg).text], {type: "image/svg+xml"})), {"aria-label": `Save as SVG: ${title}`}),
    button("PNG", async () => save(`${name}.png`, await png(svg)), {"aria-label": `Save as PNG: ${title}`})));
});
document.addEventListener("toggle", e => { if (e.target.open) $$(":scope>.cells", e.target).forEach(unfold); }, true);
// A table that fits needs no box to scroll in, and its head can stay in view as long as it does.
const fit = new ResizeObserver(seen => seen.forEach(({target}) => target.classList.toggle("fits", target.firstElementChild.scrollWidth <= target.clientWidth + 1)));
$$(".scroll:has(>.sortable)").forEach(e => fit.observe(e));
$$("[data-film]").forEach(filmed);
const near = new IntersectionObserver(seen => seen.forEach(({isIntersecting, target}) => {
  if (!isIntersecting) return;
  near.unobserve(target);
  (target.dataset.show ? fill : prepare)(target);
}), {rootMargin: "400px"});
$$("[data-show],svg.cloud").forEach(e => near.observe(e));

document.addEventListener("pointerover", e => {
  const point = pointOf(e);
  if (point && e.pointerType === "mouse") open(point);
  else if (shown && card.contains(e.target)) clearTimeout(closing);
  else if (shown && document.activeElement !== shown) { clearTimeout(closing); closing = setTimeout(close, 250); }
  light(e.target.closest?.("[data-set]")?.dataset.set);
});
document.addEventListener("focusin", e => {
  const point = pointOf(e);
  if (!point) { if (shown && !card.contains(e.target)) close(); return; }
  $$(".point[tabindex='0']", point.closest("svg")).forEach(p => p.setAttribute("tabindex", "-1"));
  point.setAttribute("tabindex", "0");
  open(point);
});
document.addEventListener("click", e => {
  const point = pointOf(e), entry = e.target.closest?.(".names [data-set],.legend [data-set]");
  if (point) { e.preventDefault(); const was = shown === point; open(point); if (was) film?.toggle(); }
  else if (shown && !card.contains(e.target)) close();
  if (entry && !e.target.closest("a")) swap("set", entry.dataset.set);
  $$("details.menu[open]").forEach(m => { if (!m.contains(e.target)) m.open = false; });
});
document.addEventListener("keydown", e => {
  const point = pointOf(e);
  if (e.key === "Escape") {
    if (shown) { if (card.contains(document.activeElement)) shown.focus(); close(); }
    $$("details.menu[open]").forEach(m => { m.open = false; $("summary", m).focus(); });
  } else if (point && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); if (shown === point) film?.toggle(); else open(point); }
  else if (point) { const next = walk(point, e.key); if (next) { e.preventDefault(); next.focus(); } }
});
const papers = () => { $$(".cells").forEach(unfold); };
const paper = matchMedia("print");
paper.addEventListener("change", e => { if (e.matches) papers(); });
addEventListener("beforeprint", () => { close(); papers(); $$("[data-show]").forEach(fill); $$("details:not(.menu)").forEach(d => { d.dataset.was = d.open; d.open = true; }); });
addEventListener("afterprint", () => $$("[data-was]").forEach(d => { d.open = d.dataset.was === "true"; delete d.dataset.was; }));
addEventListener("hashchange", () => { read(); write(); restorers.forEach(f => f()); });
restorers.push(() => light());
read();
restorers.forEach(f => f());
const go = () => byId(state.get("at"))?.scrollIntoView();
go();
// What is far away is drawn only once the page stands.
addEventListener("load", () => setTimeout(() => { root.classList.add("ready"); $$(".saw[open] [data-show]").forEach(fill); if (state.get("at")) go(); }, 100));
})();
