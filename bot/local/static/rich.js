// Slack's rich_text blocks as DOM nodes.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelLink, link, mention, signs } from "./mrkdwn.js";

const MARKS = { bold: "strong", italic: "em", strike: "s", code: "code", underline: "u" };

function styled(node, style = {}) {
  return Object.entries(MARKS).reduce((inner, [name, tag]) => (style[name] ? h(tag, {}, inner) : inner), node);
}

function part(element) {
  if (element.type === "text") return styled(h("span", { class: "pre-wrap" }, signs(element.text)), element.style);
  if (element.type === "link") return styled(link(element.url, element.text), element.style);
  if (element.type === "user") return mention(element.user_id);
  if (element.type === "channel") return channelLink(element.channel_id);
  if (element.type === "emoji") return emoji(element.name) || `:${element.name}:`;
  if (element.type === "broadcast") return h("span", { class: "mention" }, "@", element.range);
  if (element.type === "date") return element.fallback || new Date(element.timestamp * 1000).toLocaleString("en-GB");
  return element.text || "";
}

const parts = (element) => (element.elements || []).map(part);

function group(element) {
  if (element.type === "rich_text_list") {
    const tag = element.style === "ordered" ? "ol" : "ul";
    return h(tag, { class: `indent-${Math.min(element.indent || 0, 4)}`, start: element.offset ? element.offset + 1 : null },
      element.elements.map((item) => h("li", {}, parts(item))));
  }
  if (element.type === "rich_text_quote") return h("blockquote", {}, parts(element));
  if (element.type === "rich_text_preformatted") return h("pre", {}, parts(element));
  return h("div", {}, parts(element));
}

export const richText = (block) => h("div", { class: "rich" }, (block?.elements || []).map(group));
