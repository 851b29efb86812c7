// Charts as inline SVG: bar, line, area and pie, with axes, a legend and a text for screen readers.

import { h, svg } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 240;
const EDGE = { left: 52, right: 12, top: 12, bottom: 46 };
const BARE_BOTTOM = 26; // without an axis title
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const full = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

function ticks(low, high) {
  const rough = (high - low || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const found = [];
  for (let at = Math.floor(low / step) * step; at < high + step * 0.999; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function frame(chart) {
  const values = chart.series.flatMap((series) => series.data.map((point) => point.value));
  const low = Math.min(...values);
  const base = chart.type === "line" && low > 0 && low > 0.6 * Math.max(...values) ? low : Math.min(0, low);
  const steps = ticks(base, Math.max(...values, base + 1e-9));
  const [from, to] = [steps[0], steps.at(-1)];
  const count = chart.axis_config.categories.length;
  const wide = WIDTH - EDGE.left - EDGE.right;
  const floor = HEIGHT - (chart.axis_config.x_label ? EDGE.bottom : BARE_BOTTOM);
  const high = floor - EDGE.top;
  return {
    steps, count, floor, band: wide / count,
    y: (value) => EDGE.top + high * (1 - (value - from) / (to - from || 1)),
    x: (at) => EDGE.left + (wide / count) * (at + 0.5),
    zero: Math.min(Math.max(0, from), to),
  };
}

function axes(chart, place) {
  const { categories, x_label, y_label } = chart.axis_config;
  const every = Math.ceil(categories.length / Math.max(1, Math.floor(500 / (7 * Math.max(...categories.map((each) => each.length)) + 12))));
  return [
    place.steps.map((step) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: place.y(step), y2: place.y(step) }),
      svg("text", { class: "tick", x: EDGE.left - 8, y: place.y(step) + 4, "text-anchor": "end" }, short.format(step)),
    ]),
    categories.map((name, at) => at % every ? null :
      svg("text", { class: "tick", x: place.x(at), y: place.floor + 18, "text-anchor": "middle" }, name)),
    x_label && svg("text", { class: "axis", x: (WIDTH + EDGE.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, x_label),
    y_label && svg("text", { class: "axis", x: -place.floor / 2, y: 12, "text-anchor": "middle", transform: "rotate(-90)" }, y_label),
  ];
}

const ordered = (chart, series) =>
  chart.axis_config.categories.map((name) => series.data.find((point) => point.label === name)?.value ?? 0);
const tip = (...words) => svg("title", {}, words.join(" · "));

function bars(chart, place) {
  const inner = place.band * 0.72;
  const each = Math.min(48, inner / chart.series.length);
  return chart.series.map((series, row) => ordered(chart, series).map((value, at) => {
    const top = Math.min(place.y(value), place.y(place.zero));
    const tall = Math.max(1, Math.abs(place.y(value) - place.y(place.zero)));
    const left = place.x(at) - (each * chart.series.length) / 2 + each * row;
    return svg("rect", { class: `fill-${row}`, x: left + 1, y: top, width: Math.max(1, each - 2), height: tall, rx: 3 },
      tip(series.name, chart.axis_config.categories[at], full.format(value)));
  }));
}

function lines(chart, place) {
  const area = chart.type === "area";
  return chart.series.map((series, row) => {
    const points = ordered(chart, series).map((value, at) => [place.x(at), place.y(value), value]);
    const path = points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const floor = place.y(place.zero);
    return [
      area && svg("path", { class: `area fill-${row}`, d: `${path}L${points.at(-1)[0]} ${floor}L${points[0][0]} ${floor}Z` }),
      svg("path", { class: `stroke stroke-${row}`, d: path }),
      points.map(([x, y, value], at) =>
        svg("circle", { class: `dot fill-${row}`, cx: x, cy: y, r: 3.5 }, tip(series.name, chart.axis_config.categories[at], full.format(value)))),
    ];
  });
}

function pie(segments) {
  const total = segments.reduce((sum, each) => sum + each.value, 0);
  let turn = 0;
  const at = (share, radius) => [Math.sin(share * 2 * Math.PI) * radius, -Math.cos(share * 2 * Math.PI) * radius];
  const point = (pair) => pair.map((each) => each.toFixed(2)).join(" ");
  return segments.map((each, row) => {
    const share = Math.min(each.value / total, 0.99999);
    const [from, to] = [turn, turn + share];
    turn += each.value / total;
    const big = share > 0.5 ? 1 : 0;
    const d = `M${point(at(from, 90))}A90 90 0 ${big} 1 ${point(at(to, 90))}L${point(at(to, 52))}A52 52 0 ${big} 0 ${point(at(from, 52))}Z`;
    return svg("path", { class: `slice fill-${row}`, d }, tip(each.label, full.format(each.value), `${Math.round(100 * each.value / total)} %`));
  });
}

const legend = (names) =>
  h("ul", { class: "legend" }, names.map((name, row) => h("li", {}, h("span", { class: `swatch bg-${row}` }), name)));

function spoken(chart) {
  if (chart.type === "pie") return chart.segments.map((each) => `${each.label} ${full.format(each.value)}`).join(", ");
  return chart.series.map((series) => `${series.name}: ${series.data.map((each) => `${each.label} ${full.format(each.value)}`).join(", ")}`).join("; ");
}

export function visualization(block) {
  const chart = block.chart;
  const label = `${block.title}. ${spoken(chart)}`;
  let drawing;
  let names = [];
  if (chart.type === "pie") {
    const total = chart.segments.reduce((sum, each) => sum + each.value, 0);
    drawing = svg("svg", { viewBox: "-100 -100 200 200", class: "pie", role: "img", "aria-label": label }, pie(chart.segments),
      svg("text", { class: "pie-total", "text-anchor": "middle", y: 6 }, short.format(total)));
    names = chart.segments.map((each) => `${each.label} · ${full.format(each.value)} (${Math.round((100 * each.value) / total)} %)`);
  } else {
    const place = frame(chart);
    drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": label },
      [axes(chart, place), chart.type === "bar" ? bars(chart, place) : lines(chart, place)]);
    if (chart.series.length > 1) names = chart.series.map((series) => series.name);
  }
  return h("figure", { class: `chart chart-${chart.type}`, "data-testid": "chart" },
    h("figcaption", {}, block.title), h("div", { class: "chart-body" }, drawing, names.length ? legend(names) : null));
}
