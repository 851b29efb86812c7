// Slack's mrkdwn as DOM nodes: bold, italic, strike, code, quotes, links, mentions, dates, emoji.

import { h } from "./dom.js";
import { emoji, inText, named } from "./emoji.js";

let names = { users: new Map(), channels: new Map() };
export const knowNames = (users, channels) => (names = { users, channels });
export const userName = (id) => names.users.get(id) || (id === "USLACKBOT" ? "Slackbot" : id);

export const plain = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function link(url, label) {
  const target = plain(url);
  const shown = label ?? target;
  if (!/^(https?:|mailto:)/i.test(target)) return h("span", {}, shown);
  return h("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, shown);
}

export const mention = (id) => h("span", { class: "mention" }, "@", userName(id));
export const channelLink = (id, label) =>
  h("a", { class: "mention", href: `#/${id}` }, "#", names.channels.get(id) || label || id);

function angle(body) {
  const [target, label] = body.split(/\|(.*)/s);
  if (target.startsWith("@")) return mention(target.slice(1));
  if (target.startsWith("#")) return channelLink(target.slice(1), label);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!")) return h("span", { class: "mention" }, "@", label || target.slice(1).split("^")[0]);
  return link(target, label === undefined ? undefined : plain(label));
}

function date(token, fallback) {
  const [, seconds, format, url] = token.split("^");
  const moment = new Date(Number(seconds) * 1000);
  if (Number.isNaN(moment.getTime())) return fallback || token;
  const day = (options) => moment.toLocaleDateString("en-GB", options);
  const words = {
    date_num: moment.toISOString().slice(0, 10),
    date: day({ day: "numeric", month: "long", year: "numeric" }),
    date_short: day({ day: "numeric", month: "short", year: "numeric" }),
    date_long: day({ weekday: "long", day: "numeric", month: "long", year: "numeric" }),
    time: moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }),
    time_secs: moment.toLocaleTimeString("en-GB"),
  };
  const text = plain(format).replace(/\{(\w+?)(_pretty)?\}/g, (whole, name) => words[name] ?? whole);
  return url ? link(url, text) : h("time", { datetime: moment.toISOString(), title: words.date_long }, text);
}

// Order matters: code first, so that nothing inside it is read as anything else.
const INLINE = new RegExp(
  [
    "`([^`\\n]+)`",
    "<([^<>\\n]+)>",
    ":([a-z0-9_+'-]+(?:::skin-tone-\\d)?):",
    "(?<![\\w*])\\*(?! )([^*\\n]+?)(?<! )\\*(?![\\w*])",
    "(?<![\\w_])_(?! )([^_\\n]+?)(?<! )_(?![\\w_])",
    "(?<![\\w~])~(?! )([^~\\n]+?)(?<! )~(?![\\w~])",
  ].join("|"),
  "g",
);

export function inline(text) {
  const nodes = [];
  let from = 0;
  for (const hit of text.matchAll(INLINE)) {
    const [whole, code, target, short, bold, italic, strike] = hit;
    const sign = short && emoji(short);
    if (short && !sign) continue;
    nodes.push(plain(text.slice(from, hit.index)));
    from = hit.index + whole.length;
    if (code) nodes.push(h("code", {}, plain(code)));
    else if (target) nodes.push(angle(target));
    else if (short) nodes.push(sign);
    else if (bold) nodes.push(h("strong", {}, inline(bold)));
    else if (italic) nodes.push(h("em", {}, inline(italic)));
    else nodes.push(h("s", {}, inline(strike)));
  }
  nodes.push(plain(text.slice(from)));
  return nodes.filter((node) => node !== "");
}

function paragraphs(text) {
  const nodes = [];
  let quote = null;
  text.split("\n").forEach((line, at) => {
    const quoted = /^(&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      if (!quote) nodes.push((quote = h("blockquote", {})));
      else quote.append(h("br"));
      quote.append(...inline(quoted[2]));
      return;
    }
    if (at && !quote) nodes.push(h("br"));
    quote = null;
    nodes.push(...inline(line));
  });
  return nodes;
}

export function mrkdwn(text) {
  return named(String(text ?? ""))
    .split(/```\n?([\s\S]*?)\n?```/)
    .flatMap((part, at) => (at % 2 ? h("pre", {}, plain(part)) : part === "" ? [] : paragraphs(at ? part.replace(/^\n/, "") : part)));
}

// Plain text with emoji as nodes.
export const signs = (text) =>
  named(text).split(/:([a-z0-9_+'-]+):/).map((part, at) => (at % 2 ? emoji(part) || `:${part}:` : part));

// A text object: mrkdwn, or plain text with emoji.
export const textObject = (object) =>
  !object ? [] : object.type === "mrkdwn" ? mrkdwn(object.text) : lines(plain(object.text));

const lines = (text) => text.split("\n").flatMap((line, at) => (at ? [h("br"), ...signs(line)] : signs(line)));
export const plainText = (object) => (object ? inText(plain(object.text)) : "");
