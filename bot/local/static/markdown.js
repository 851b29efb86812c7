// Standard Markdown as DOM nodes: headings, lists, tables, quotes, code, and inline marks.

import { h } from "./dom.js";
import { emoji, named } from "./emoji.js";
import { link, mention } from "./mrkdwn.js";

const INLINE = new RegExp(
  [
    "``?([^`\\n]+)``?",
    "!?\\[([^\\]\\n]*)\\]\\(([^)\\s]+)[^)]*\\)",
    "<(https?:[^>\\s]+|@\\w+)>",
    "\\*\\*(?! )([\\s\\S]+?)(?<! )\\*\\*",
    "__(?! )([\\s\\S]+?)(?<! )__",
    "(?<![\\w*])\\*(?! )([^*\\n]+?)(?<! )\\*(?!\\w)",
    "(?<![\\w_])_(?! )([^_\\n]+?)(?<! )_(?!\\w)",
    "~~([^~\\n]+?)~~",
    ":([a-z0-9_+-]+):",
    "(https?://[^\\s<>()]+[^\\s<>().,;:!?])",
    "\\\\([\\\\`*_{}\\[\\]()#+.!|~<>-])",
  ].join("|"),
  "g",
);

export function marks(text) {
  const nodes = [];
  let from = 0;
  for (const hit of text.matchAll(INLINE)) {
    const [whole, code, label, url, angle, bold, bold2, italic, italic2, strike, short, bare, escaped] = hit;
    if (short && !emoji(short)) continue;
    nodes.push(text.slice(from, hit.index));
    from = hit.index + whole.length;
    if (code) nodes.push(h("code", {}, code));
    else if (url) nodes.push(link(url, label || url));
    else if (angle) nodes.push(angle.startsWith("@") ? mention(angle.slice(1)) : link(angle));
    else if (bold || bold2) nodes.push(h("strong", {}, marks(bold || bold2)));
    else if (italic || italic2) nodes.push(h("em", {}, marks(italic || italic2)));
    else if (strike) nodes.push(h("s", {}, marks(strike)));
    else if (short) nodes.push(emoji(short));
    else if (bare) nodes.push(link(bare));
    else nodes.push(escaped);
  }
  nodes.push(text.slice(from));
  return nodes.filter((node) => node !== "");
}

const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const DIVIDE = /^ *\|? *:?-+:? *(\| *:?-+:? *)*\|? *$/;
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

export function markdown(text) {
  const rest = named(text).replaceAll("\r", "").split("\n");
  const nodes = [];
  while (rest.length) nodes.push(take(rest));
  return nodes.filter(Boolean);
}

function take(rest) {
  const line = rest[0];
  if (!line.trim()) return rest.shift() && null;
  if (/^\s*(```|~~~)/.test(line)) return fence(rest);
  const heading = /^(#{1,6})\s+(.*?)#*$/.exec(line);
  if (heading) return rest.shift() && h(`h${Math.min(6, heading[1].length + 2)}`, { class: `md-h${heading[1].length}` }, marks(heading[2]));
  if (RULE.test(line)) return rest.shift() && h("hr");
  if (/^\s*>/.test(line)) return quote(rest);
  if (line.includes("|") && rest[1] && DIVIDE.test(rest[1]) && rest[1].includes("-")) return table(rest);
  if (ITEM.test(line)) return list(rest, indent(line));
  return paragraph(rest);
}

function fence(rest) {
  const mark = /^\s*(```|~~~)/.exec(rest.shift())[1];
  const code = [];
  while (rest.length && !rest[0].trim().startsWith(mark)) code.push(rest.shift());
  rest.shift();
  return h("pre", {}, code.join("\n"));
}

function quote(rest) {
  const inner = [];
  while (rest.length && /^\s*>/.test(rest[0])) inner.push(rest.shift().replace(/^\s*> ?/, ""));
  return h("blockquote", {}, markdown(inner.join("\n")));
}

const indent = (line) => /^\s*/.exec(line)[0].length;

function list(rest, depth) {
  const ordered = /\d/.test(ITEM.exec(rest[0])[2]);
  const node = h(ordered ? "ol" : "ul", ordered ? { start: parseInt(ITEM.exec(rest[0])[2], 10) } : {});
  while (rest.length && ITEM.test(rest[0]) && indent(rest[0]) >= depth) {
    if (indent(rest[0]) > depth + 1) {
      (node.lastChild || node).append(list(rest, indent(rest[0])));
      continue;
    }
    if (/\d/.test(ITEM.exec(rest[0])[2]) !== ordered) break;
    const words = [ITEM.exec(rest.shift())[3]];
    while (rest.length && rest[0].trim() && !ITEM.test(rest[0]) && indent(rest[0]) > depth) words.push(rest.shift().trim());
    node.append(h("li", {}, marks(words.join(" "))));
  }
  return node;
}

function table(rest) {
  const head = cells(rest.shift());
  const sides = cells(rest.shift()).map((mark) => (/^:-+:$/.test(mark) ? "center" : /-:$/.test(mark) ? "right" : "left"));
  const rows = [];
  while (rest.length && rest[0].includes("|")) rows.push(cells(rest.shift()));
  const cell = (tag) => (text, at) => h(tag, { class: `to-${sides[at] || "left"}` }, marks(text));
  return h("div", { class: "table-wrap" }, h("table", { class: "table" },
    h("thead", {}, h("tr", {}, head.map(cell("th")))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td")))))));
}

function paragraph(rest) {
  const words = [rest.shift()];
  while (rest.length && rest[0].trim() && !/^\s*(#{1,6}\s|>|```|~~~)/.test(rest[0]) && !ITEM.test(rest[0]) && !RULE.test(rest[0])) {
    words.push(rest.shift());
  }
  return h("p", {}, words.flatMap((line, at) => (at ? [h("br"), ...marks(line.trim())] : marks(line.trim()))));
}
