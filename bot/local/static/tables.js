// Tables: plain ones, and data tables that sort by a click on a column and turn pages.

import { h, put } from "./dom.js";
import { signs } from "./mrkdwn.js";
import { richText } from "./rich.js";

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const isNumber = (cell) => cell.type === "raw_number";
const shown = (cell) => isNumber(cell) ? cell.text ?? number.format(cell.value) : cell.type === "rich_text" ? richText(cell) : signs(cell.text);
const words = (cell) => cell.type === "rich_text" ? JSON.stringify(cell.elements) : cell.text || "";
// "€12,300", "-4 %" and "1.2" sort and align as the numbers they are.
const looksNumeric = (cell) => isNumber(cell) || (cell.type === "raw_text" && /^[^\p{L}\d]*\d[\d.,  ]*\s?(%|k|M|€|\$|d)?$/u.test(cell.text || ""));
const worth = (cell) => isNumber(cell) ? cell.value : looksNumeric(cell) ? Number(cell.text.replace(/[^\d.-]/g, "")) : words(cell).toLowerCase();

function compare(left, right) {
  const [a, b] = [worth(left), worth(right)];
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

export function plainTable(block) {
  const side = (at) => `to-${block.column_settings?.[at]?.align || "left"}`;
  const wrap = (at) => (block.column_settings?.[at]?.is_wrapped ? "wraps" : "");
  const [head, ...rows] = block.rows;
  const cell = (tag) => (each, at) => h(tag, { class: `${side(at)} ${wrap(at)}` }, shown(each));
  return h("div", { class: "table-wrap", tabindex: 0, role: "region", "aria-label": "Table" }, h("table", { class: "table" },
    h("thead", {}, h("tr", {}, head.map(cell("th")))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td")))))));
}

export function dataTable(block) {
  const [head, ...rows] = block.rows;
  const size = block.page_size || 5;
  const named = block.row_header_column_index || 0;
  const numeric = head.map((_, at) => rows.every((row) => looksNumeric(row[at]) || !words(row[at])));
  const view = { column: -1, down: false, page: 0 };
  const body = h("tbody", {});
  const pager = h("div", { class: "pager" });
  const headings = head.map((cell, at) => {
    const arrow = h("span", { class: "arrow", "aria-hidden": "true" }, "↕");
    const button = h("button", { type: "button", onclick: () => sort(at) }, shown(cell), arrow);
    return h("th", { scope: "col", class: numeric[at] ? "to-right" : "to-left", "aria-sort": "none" }, button);
  });

  function sort(at) {
    view.down = view.column === at ? !view.down : numeric[at];
    Object.assign(view, { column: at, page: 0 });
    draw();
  }

  function draw() {
    const sorted = view.column < 0 ? rows : [...rows].sort((a, b) => compare(a[view.column], b[view.column]) * (view.down ? -1 : 1));
    const from = view.page * size;
    put(body, sorted.slice(from, from + size).map((row) => h("tr", {}, row.map((cell, at) =>
      h(at === named ? "th" : "td", { scope: at === named ? "row" : null, class: `${numeric[at] ? "to-right" : "to-left"} ${words(cell).length > 40 ? "wraps" : ""}` }, shown(cell))))));
    headings.forEach((heading, at) => {
      const mine = at === view.column;
      heading.setAttribute("aria-sort", mine ? (view.down ? "descending" : "ascending") : "none");
      heading.querySelector(".arrow").textContent = mine ? (view.down ? "↓" : "↑") : "↕";
    });
    const turn = (label, step, off) => h("button", { type: "button", class: "button small", disabled: off, "aria-label": label,
      onclick: () => { view.page += step; draw(); } }, step < 0 ? "‹" : "›");
    put(pager, rows.length > size && [
      h("span", {}, `${from + 1}–${Math.min(from + size, rows.length)} of ${rows.length}`),
      turn("Previous page", -1, view.page === 0), turn("Next page", 1, from + size >= rows.length)]);
  }

  draw();
  return h("div", { class: "data-table", "data-testid": "data-table" },
    h("div", { class: "table-wrap", tabindex: 0, role: "region", "aria-label": block.caption },
      h("table", { class: "table" }, h("caption", {}, block.caption), h("thead", {}, h("tr", {}, headings)), body)),
    pager);
}
