/** The report's script: values under the pointer, or under the arrow keys, of every line chart. */
export const PAGE_SCRIPT = `
"use strict";
for (const figure of document.querySelectorAll("figure.chart")) {
  const chart = JSON.parse(figure.dataset.chart);
  const tip = figure.querySelector(".tip");
  const number = (v) => (Number.isInteger(v) ? v.toLocaleString("en-US") : String(Number(v.toPrecision(4))));
  for (const svg of figure.querySelectorAll("svg[data-plot]")) {
    const split = (name) => svg.dataset[name].split(" ").map(Number);
    const [left, top, right, bottom] = split("plot"), [x0, x1] = split("x"), [y0, y1] = split("y");
    const share = (x) => (chart.logX ? Math.log(x / x0) / Math.log(x1 / x0) : (x - x0) / (x1 - x0));
    const placeX = (x) => left + share(x) * (right - left);
    const placeY = (y) => Math.min(bottom, Math.max(top, bottom - ((y - y0) / (y1 - y0)) * (bottom - top)));
    const layer = svg.appendChild(document.createElementNS(svg.namespaceURI, "g"));
    const add = (name, attributes) => {
      const element = layer.appendChild(document.createElementNS(svg.namespaceURI, name));
      for (const key in attributes) element.setAttribute(key, attributes[key]);
    };
    const nearest = (points, at) => {
      let best = null;
      for (const p of points) if (p[1] !== null && (!best || Math.abs(placeX(p[0]) - at) < Math.abs(placeX(best[0]) - at))) best = p;
      return best;
    };
    const hide = () => { layer.replaceChildren(); tip.hidden = true; };
    const show = (at) => {
      const found = chart.series.map((s) => ({ name: s.name, colour: s.colour, p: nearest(s.points, at) })).filter((f) => f.p);
      if (!found.length) return;
      const x = found.reduce((a, b) => (Math.abs(placeX(b.p[0]) - at) < Math.abs(placeX(a.p[0]) - at) ? b : a)).p[0];
      layer.replaceChildren();
      add("line", { x1: placeX(x), x2: placeX(x), y1: top, y2: bottom, stroke: "var(--muted)", "stroke-dasharray": "3 3" });
      tip.replaceChildren(document.createElement("b"));
      tip.firstChild.textContent = chart.xLabel + " " + number(x);
      for (const f of found) {
        if (Math.abs(placeX(f.p[0]) - placeX(x)) > (right - left) / 12) continue;
        const fill = "var(--series-" + f.colour + ")";
        add("circle", { cx: placeX(f.p[0]), cy: placeY(f.p[1]), r: 4.5, fill, stroke: "var(--surface)", "stroke-width": 2 });
        tip.append(document.createElement("br"), f.name + ": " + number(f.p[1]) + (f.p[0] === x ? "" : " (" + number(f.p[0]) + ")"));
      }
      tip.hidden = false;
      const box = svg.getBoundingClientRect(), frame = figure.getBoundingClientRect();
      const screen = box.left - frame.left + (placeX(x) * box.width) / svg.viewBox.baseVal.width;
      const flip = screen + 14 + tip.offsetWidth > frame.width;
      tip.style.left = Math.max(0, flip ? screen - 14 - tip.offsetWidth : screen + 14) + "px";
      tip.style.top = box.top - frame.top + (top * box.height) / svg.viewBox.baseVal.height + "px";
    };
    const pointed = (event) => {
      const box = svg.getBoundingClientRect();
      show(((event.clientX - box.left) * svg.viewBox.baseVal.width) / box.width);
    };
    svg.addEventListener("pointermove", pointed);
    svg.addEventListener("pointerdown", pointed);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.tabIndex = 0;
    let key = right;
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!move) return;
      event.preventDefault();
      if (!tip.hidden) key = Math.min(right, Math.max(left, key + (move * (right - left)) / 50));
      show(key);
    });
  }
}
`.trim();
