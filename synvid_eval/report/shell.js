// What any page can do beyond being read: everything here adds to a document that is complete without it.
// The view (sorting, filters, columns, highlight, theme) lives in location.hash; nothing is ever requested.
// A page's own script stands behind this one in the same block (see `render`), says in `own` what is its own,
// and ends with `begin()`.
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
// What a page's script fills in. name: of saved files; csv: file → its text; rows(table, rows, heads): CSV of what a table
// shows; under(svg): what a saved figure says below its title; setName(tag); preview(tag, place): a clip of a set;
// card(point): what its card holds; press(point, was shown); off(), lit(): tags that are hidden or highlighted for other
// reasons than being chosen; gone, faded, marked: what of a set is hidden, fades beside others, or gets a background.
const own = {off: () => [], lit: () => [], other: () => true, refresh: () => {}};
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
const saves = () => [button("Save JSON", () => save(`${own.name}.json`, new Blob([json() + "\n"], {type: "application/json"}))),
  ...Object.entries(own.csv).map(([name, text]) => button(name === own.name ? "Save CSV" : `Save CSV of ${name}`, () => save(`${name}.csv`, new Blob([text()], {type: "text/csv"}))))];

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
// choose: whether its columns can be hidden (`data-off`: they are at first; `data-fixed`: they cannot be), with the words
// for its rows and columns; find: whether sets can be filtered; told: whether columns without a verdict can be left out;
// plain: whether intervals can.
const enhance = (table, {choose, find: finds, told: tells, plain: shorter} = {}) => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], natural = [...body.rows], id = table.id;
  const key = name => `${id}.${name}`;
  const cells = row => [...row.cells].flatMap(c => [c, ...Array(c.colSpan - 1).fill(null)]);
  const value = (row, i) => {
    const cell = cells(row)[i];
    if (worded(i)) return cell ? words(cell) : undefined;
    if (!cell || cell.matches(".reason")) return undefined;
    const [number] = cell.dataset.n ? [cell.dataset.n] : /[−-]?[\d.]+(e[−-]?\d+)?/.exec(words(cell)) ?? [];
    return number?.replaceAll("−", "-");
  };
  const worded = i => !i || "text" in heads[i].dataset;
  let sorted = "";
  const sort = () => {
    if (sorted === (sorted = state.get(key("sort")) ?? "")) return;
    const [, name, way] = /^(.*):(up|down)$/.exec(state.get(key("sort")) ?? "") ?? [];
    const at = heads.findIndex(h => label(h) === name), sign = way === "up" ? 1 : -1;
    heads.forEach((h, i) => i === at ? h.setAttribute("aria-sort", way === "up" ? "ascending" : "descending") : h.removeAttribute("aria-sort"));
    const rows = at < 0 ? natural : natural.slice().sort((a, b) => {
      const [p, q] = [value(a, at), value(b, at)];
      if (p === undefined || q === undefined) return (p === undefined) - (q === undefined);
      return sign * (worded(at) ? collator.compare(p, q) : p - q);
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
      say(!next ? "In the original order." : !worded(i) ? `Sorted by ${label(head)}, ${by} first.` : `Sorted by ${i ? label(head) : "name"}, ${up ? "A" : "Z"} first.`);
    }, {class: "sort"});
    const name = label(head);
    b.append(...head.childNodes);
    head.append(b);
    head.dataset.metric = name;
  }
  restorers.push(sort);
  const bar = make("div", {class: "tools"}), count = make("span", {class: "unit", role: "status"});
  if (choose) {
    const [many, columned] = choose;
    const told = make("input", {type: "checkbox", change: () => { keep(key("told"), told.checked && "yes"); show(); }});
    // What is kept are the columns that are not as they were at first.
    const away = heads.filter(h => "off" in h.dataset).map(label), apart = (a, b) => new Set([...a, ...b].filter(n => a.includes(n) !== b.includes(n)));
    const hidden = () => apart(state.getAll(key("hide")), away);
    const box = (name, text) => {
      const one = make("input", {type: "checkbox", change: () => {
        const off = hidden();
        off[one.checked ? "delete" : "add"](name);
        state.delete(key("hide"));
        apart([...off], away).forEach(n => state.append(key("hide"), n));
        write();
        show();
      }});
      boxes.push([name, one]);
      return make("label", {}, one, text);
    };
    const boxes = [], metrics = heads.slice(1).filter(h => !("fixed" in h.dataset));
    const chooser = menu("Columns", ...metrics.map(h => box(label(h), label(h))), shorter ? box("intervals", make("i", {}, "intervals")) : "");
    const show = () => {
      const off = hidden(), only = state.get(key("told"));
      told.checked = !!only;
      boxes.forEach(([name, one]) => { one.checked = !off.has(name); });
      table.classList.toggle("plain", off.has("intervals"));
      const seen = heads.map((h, i) => !i || "fixed" in h.dataset || !off.has(label(h)) && (!only || "told" in h.dataset));
      for (const row of table.rows) [...row.cells].forEach((c, i) => { c.hidden = !seen[i]; });
      const rows = natural.filter(there).length, columns = seen.filter(Boolean).length - 1, parts = [];
      table.parentNode.hidden = !rows || !columns;
      if (!rows) parts.push(state.get("find") ? `No set is called “${state.get("find")}”.` : "All sets are hidden.");
      else if (!columns) parts.push(only ? "No metric separates these sets." : "All columns are hidden.");
      else {
      if (rows < natural.length) parts.push(`${rows} of ${natural.length} ${many}`);
      if (columns < heads.length - 1) parts.push(`${columns} of ${heads.length - 1} ${columned}`);
      }
      count.textContent = parts.join(", ");
    };
    restorers.push(show);
    if (finds && natural.length > 1) bar.append(finder());
    if (tells && natural.length > 1) bar.append(make("label", {}, told, "only separable"));
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
      const rows = grid().table.map(row => row.map(c => !c ? "" : c.tagName === "TD" && $(".badge", c) ? `\\textbf{${tex(words(c))}}` : tex(words(c))).join(" & ") + " \\\\"), below = table.tFoot?.rows.length ?? 0, foot = below ? `\\midrule\n${rows.splice(-below).join("\n")}\n` : "";
      return `% needs \\usepackage{booktabs}\n\\begin{tabular}{l${"r".repeat(grid().table[0].length - 1)}}\n\\toprule\n${rows[0]}\n\\midrule\n${rows.slice(1).join("\n")}\n${foot}\\bottomrule\n\\end{tabular}\n`;
    },
    CSV: () => own.rows(table, grid().rows, heads),
  };
  bar.append(menu("Copy", ...Object.entries(copies).map(([kind, text]) => button(`as ${kind}`, () => copy(text(), `${grid().rows.length} rows as ${kind}`)))), count);
  if (choose) table.closest(".scroll").before(bar); else table.closest("section").prepend(bar);
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
      const now = style.getPropertyValue(name);
      if (now !== usual && (!/^(font|text|dom)/.test(name) || e.matches("text,tspan"))) to.setAttribute(name, now);
    }
    for (const name of ["class", "tabindex", "role", "aria-label", "data-set", "data-clip", "data-clips", "data-metric", "data-family", "data-sets", "aria-pressed"]) to.removeAttribute(name);
  });
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  $$("[data-gone]", clone).forEach(e => e.remove());
  for (const name of ["class", "data-metric", "data-log"]) clone.removeAttribute(name);
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
    part("text", {...font, y: -7, "font-size": "11px"}, cut(own.under(svg))));
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
const filmed = screen => {
  const [set, place] = screen.dataset.film.split(" ");
  player(screen, () => own.preview(set, place).video, $("img", screen).alt.replace(/^A frame of /, ""));
};

// Points that can be focused: one tab stop a picture, arrows between them. The card of a point says what it is.
const setOf = point => point.closest("[data-set]").dataset.set;
const card = make("div", {class: "card", role: "dialog", "aria-label": "What this mark stands for", hidden: true});
let shown, film, closing;
const close = () => { film?.stop(); film = shown = null; card.hidden = true; };
const open = point => {
  clearTimeout(closing);
  if (point === shown) return;
  close();
  shown = point;
  const {lines, image, video, id} = own.card(point);
  card.replaceChildren(...lines);
  if (image) {
    const screen = make("div", {class: "screen"}, image);
    card.prepend(screen);
    if (video) { film = player(screen, video, id); film.look(); }
  }
  card.hidden = false;
  const at = point.getBoundingClientRect(), box = card.getBoundingClientRect();
  card.style.left = `${Math.max(8, Math.min(at.right + 10, root.clientWidth - box.width - 8)) + scrollX}px`;
  card.style.top = `${(at.bottom + box.height + 10 < innerHeight || at.top < box.height + 60 ? at.bottom + 8 : at.top - box.height - 8) + scrollY}px`;
};
const pointOf = e => e.target.closest?.(".point");
const walk = (point, key) => {
  const all = $$(".point", point.closest("svg")), at = all.indexOf(point), other = p => own.other(p, point);
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
  for (const tag of own.off()) off.add(tag);
  hiding(off.size ? `:is(${own.gone}):is(${quote(off)}){display:none!important}` : "");
});
const light = tag => {
  const lit = [...new Set([...chosen("set"), ...own.lit(), tag])].filter(t => sides.has(t));
  lighting(lit.length ? `@media screen{:is(${own.faded}) [data-set]:not(${quote(lit)},[data-set="ref"]){opacity:.13}:is(tr:is(${quote(lit)})>*,${own.marked} :is(${quote(lit)})){background:var(--mark)!important}}` : "");
  own.refresh(lit);
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

// Everything is put in its place. options(table): what `enhance` takes.
root.classList.add("js");
const reset = () => { for (const key of [...state.keys()]) state.delete(key); write(); restorers.forEach(f => f()); };
const lazy = (label, fill) => {  // a menu that is filled once somebody opens it
  const one = menu(label);
  one.addEventListener("toggle", () => $(".panel", one).append(...fill()), {once: true});
  return one;
};
const begin = (menus, options) => {
const tools = menu("Tools", choice("theme", "Theme ", [["", "as the system"], ["light", "light"], ["dark", "dark"]]), ...saves(),
  button("Copy link to this view", () => copy(location.href, "the link")), button("Reset the view", reset));
[tools, ...menus].forEach(m => m.classList.add("end"));
byId("bar").append(make("div", {class: "controls", role: "region", "aria-label": "Tools"}, pause, ...menus, tools));
byId("downloads").append(...saves());
byId("main").append(card, said);
$$("table.sortable").forEach(table => enhance(table, options(table)));
$$("pre:not(.cells)").forEach(pre => pre.before(button("Copy", () => copy(pre.textContent, "the command"), {class: "copy", "aria-label": `Copy: ${pre.ariaLabel}`})));
$$("figure.plot").forEach(figure => {
  const svg = $("svg", figure), title = $("figcaption", figure).textContent, name = slug(`${figure.closest("[data-metric]").dataset.metric} ${title}`);
  ($("details", figure) ?? $(".key", figure) ?? svg).before(make("div", {class: "tools"},
    button("SVG", () => save(`${name}.svg`, new Blob([standalone(svg).text], {type: "image/svg+xml"})), {"aria-label": `Save as SVG: ${title}`}),
    button("PNG", async () => save(`${name}.png`, await png(svg)), {"aria-label": `Save as PNG: ${title}`})));
});
document.addEventListener("toggle", e => { if (e.target.open) $$(":scope>.cells", e.target).forEach(unfold); }, true);
// A table that fits needs no box to scroll in, and its head can stay in view as long as it does.
const fit = new ResizeObserver(seen => seen.forEach(({target}) => target.classList.toggle("fits", target.firstElementChild.scrollWidth <= target.clientWidth + 1)));
$$(".scroll:has(>.sortable)").forEach(e => fit.observe(e));
$$("[data-film]").forEach(filmed);

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
  if (point) { e.preventDefault(); const was = shown === point; open(point); own.press(point, was); }
  else if (shown && !card.contains(e.target)) close();
  if (entry && !e.target.closest("a")) swap("set", entry.dataset.set);
  $$("details.menu[open]").forEach(m => { if (!m.contains(e.target)) m.open = false; });
});
document.addEventListener("keydown", e => {
  const point = pointOf(e);
  if (e.key === "Escape") {
    if (shown) { if (card.contains(document.activeElement)) shown.focus(); close(); }
    $$("details.menu[open]").forEach(m => { m.open = false; $("summary", m).focus(); });
  } else if (point && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); const was = shown === point; open(point); own.press(point, was); }
  else if (point) { const next = walk(point, e.key); if (next) { e.preventDefault(); next.focus(); } }
});
const papers = () => { $$(".cells").forEach(unfold); };
const paper = matchMedia("print");
paper.addEventListener("change", e => { if (e.matches) papers(); });
addEventListener("beforeprint", () => { close(); papers(); own.paper?.(); $$("details:not(.menu)").forEach(d => { d.dataset.was = d.open; d.open = true; }); });
addEventListener("afterprint", () => $$("[data-was]").forEach(d => { d.open = d.dataset.was === "true"; delete d.dataset.was; }));
addEventListener("hashchange", () => { read(); write(); restorers.forEach(f => f()); });
restorers.push(() => light());
read();
restorers.forEach(f => f());
const go = () => byId(state.get("at"))?.scrollIntoView();
go();
// What is far away is drawn only once the page stands.
addEventListener("load", () => setTimeout(() => { root.classList.add("ready"); own.ready?.(); if (state.get("at")) go(); }, 100));
};
