// A comparison's page: its CSV, the nearest and farthest clips of its metrics, the points of its pictures. See `shell.js`.
const csv = scores => !scores.length ? "" : ["candidate,metric,value,corrected,low,high,level,unit,better,reference,floor,n_candidate,n_reference,reason,interval_reason,signature"]
  .concat(scores.map(s => [s.candidate, s.metric, real(s.value), real(s.corrected), real(s.interval?.[0]), real(s.interval?.[1]), real(s.level), s.unit, s.better,
    real(s.detail.reference), real(s.detail.floor), s.n.candidate, s.n.reference, s.reason ?? "", s.interval_reason ?? "", s.signature].map(quoted).join(","))).join("\n") + "\n";
own.name = "comparison";
own.csv = {comparison: () => csv(data().scores)};
own.rows = (table, rows, heads) => {
  const one = table.closest("[data-metric]")?.dataset.metric, metrics = one ? [one] : heads.slice(1).filter(h => !h.hidden).map(label);
  return csv(rows.map(r => setName(r.dataset.set)).flatMap(n => metrics.flatMap(m => data().scores.filter(s => s.candidate === n && s.metric === m))));
};
own.under = svg => `${svg.closest("[data-metric]").dataset.metric}, beside ${sides.get("ref")}`;
own.gone = "tr,li,.gallery,svg g";
own.faded = ".figure,.ranking,.small-scatter";
own.marked = ".names";
own.refresh = lit => $$(".rest").forEach(e => e.classList.toggle("lit", lit.includes(e.dataset.set)));
own.preview = (set, place) => data().media.clips[setName(set)][place];
own.press = (point, was) => { if (was) film?.toggle(); };
own.other = (p, q) => setOf(p) !== setOf(q);
const setName = tag => tag === "ref" ? data().reference.name : data().candidates[tag].name;
const fill = cell => {  // nearest and farthest in a metric's section: the picture that the page has already
  const image = byId(cell.dataset.show);
  if (!image || $(".screen", cell)) return;
  const twin = image.cloneNode();
  twin.removeAttribute("id");
  const screen = make("div", {class: "screen"}, twin);
  cell.prepend(screen);
  if (image.parentNode.dataset.film) { screen.dataset.film = image.parentNode.dataset.film; filmed(screen); }
};

// The points of a picture, once it is near, and the card of each: which clip it is, and the clip itself.
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
own.card = point => {
  const {name, id, far, what} = factsOf(point);
  const clip = [data().media?.clips?.[name]].flat().find(c => c?.id === id);
  const lines = [make("b", {}, id), make("p", {}, $(`.sets [data-set="${setOf(point)}"] .swatch`).cloneNode(true), " ", name)];
  if (far) lines.push(make("p", {class: "unit", title: what}, far));
  const poster = clip?.poster, source = byId(String(poster).slice(1))?.src ?? (/^UklGR/.test(poster) ? "data:image/webp;base64," + poster : null);
  if (!source) lines.push(make("p", {class: "unit"}, "no preview"));
  return {lines, id, image: source && make("img", {src: source, width: clip.width, height: clip.height, alt: ""}), video: /^GkXfo/.test(clip?.video) && (() => clip.video)};
};
const near = new IntersectionObserver(seen => seen.forEach(({isIntersecting, target}) => {
  if (!isIntersecting) return;
  near.unobserve(target);
  (target.dataset.show ? fill : prepare)(target);
}), {rootMargin: "400px"});
$$("[data-show],svg.cloud").forEach(e => near.observe(e));
own.paper = () => $$("[data-show]").forEach(fill);
own.ready = () => $$(".saw[open] [data-show]").forEach(fill);
begin(sides.size > 2 ? [lazy("Sets", list)] : [], table => table.classList.contains("overview") ? {choose: ["sets", "metrics"], find: true, told: true, plain: true} : {});
