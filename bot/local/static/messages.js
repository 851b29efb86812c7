// The message list: grouping, threads, reactions, ephemerals, and keyed updates that keep the focus.

import { blocks, files } from "./blocks.js";
import { avatar, h, menu, toast } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

const GROUP_SECONDS = 300;
const QUICK = ["white_check_mark", "eyes", "tada", "+1", "pray"];

export const clockTime = (ts) => new Date(Number(ts) * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayOf = (ts) => new Date(Number(ts) * 1000).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" });

function who(message, app) {
  if (message.user === "USLACKBOT") return { name: "Slackbot", kind: "app" };
  if (message.user === app.overview.bot.id) return { name: message.username || app.overview.bot.name, kind: "app" };
  const person = app.person(message.user);
  return { name: person?.real_name || message.user, kind: person?.kind || "member" };
}

export const badge = (kind) =>
  kind === "app" ? h("span", { class: "badge" }, "App")
    : kind === "guest" ? h("span", { class: "badge guest" }, "Guest")
      : kind === "external" ? h("span", { class: "badge external" }, "External") : null;

function context(message, app) {
  return {
    directory: app.overview,
    live: () => true,
    act: async (actionId, value, control) => {
      const status = await app.act({ channel: message.channel, ts: message.ts, action_id: actionId, value });
      if (status >= 300) warn(control, app, status);
    },
  };
}

function warn(control, app, status) {
  const text = `${app.overview.bot.name} did not answer${status === 504 ? " in time" : ""}.`;
  toast(text, "bad");
  const place = control.closest(".block") || control.parentNode;
  if (place.nextSibling?.className !== "warning") place.after(h("div", { class: "warning", role: "alert" }, emoji("warning"), ` ${text}`));
}

function body(message, app) {
  const ctx = context(message, app);
  const shown = message.blocks?.length ? blocks(message.blocks, ctx) : h("div", { class: "text" }, mrkdwn(message.text));
  return [shown, message.files && files(message.files),
    message.streaming && h("span", { class: "caret", "aria-label": "writing" }),
    message.edited && !message.streaming && h("span", { class: "edited" }, "(edited)")];
}

function reactions(message, app) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((each) =>
    h("button", { type: "button", class: "reaction", "aria-pressed": String(each.users.includes(app.me)),
      "aria-label": `${each.name}, ${each.count}`, onclick: () => app.react(message, each.name) },
    emoji(each.name) || `:${each.name}:`, h("span", {}, each.count))));
}

function threadLink(message, app, inThread) {
  if (inThread || !message.reply_count) return null;
  const count = `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`;
  return h("button", { type: "button", class: "thread-link", onclick: () => app.openThread(message.ts) },
    message.reply_users.slice(0, 3).map((id) => { const { name, kind } = who({ user: id }, app); return avatar(name, kind, "mini"); }),
    h("strong", {}, count), h("span", { class: "faint" }, `Last reply ${clockTime(message.latest_reply)}`));
}

function tools(message, app, inThread) {
  const react = h("button", { type: "button", class: "tool", "aria-label": "Add reaction", title: "Add reaction", onclick: () =>
    menu(react, QUICK.map((name) => ({ content: emoji(name), act: () => app.react(message, name) })), { label: "Reactions" }) }, "☺");
  if (message.is_ephemeral) {
    return h("div", { class: "tools" }, h("button", { type: "button", class: "tool", onclick: () => app.dismiss(message) }, "Dismiss"));
  }
  return h("div", { class: "tools", role: "group", "aria-label": "Message actions" }, react,
    !inThread && h("button", { type: "button", class: "tool", "aria-label": "Reply in thread", title: "Reply in thread",
      onclick: () => app.openThread(message.thread_ts || message.ts, true) }, emoji("speech_balloon")));
}

function messageNode(message, app, { compact, inThread }) {
  const { name, kind } = who(message, app);
  return h("article", { class: `message ${compact ? "compact" : ""} ${message.is_ephemeral ? "ephemeral" : ""}`, "data-testid": "message",
    "data-ts": message.ts, "aria-label": `${name}, ${clockTime(message.ts)}` },
    compact ? h("time", { class: "side-time" }, clockTime(message.ts)) : avatar(name, kind),
    h("div", { class: "message-body" },
      message.is_ephemeral && h("div", { class: "only-you" }, emoji("eye"), " Only visible to you"),
      !compact && h("div", { class: "message-head" }, h("strong", {}, name), badge(kind), h("time", {}, clockTime(message.ts))),
      message.subtype === "thread_broadcast" && !inThread && h("div", { class: "only-you" }, "replied to a thread"),
      body(message, app), reactions(message, app), threadLink(message, app, inThread)),
    tools(message, app, inThread));
}

const belongs = (previous, message) => previous && previous.user === message.user && !message.is_ephemeral && !previous.is_ephemeral &&
  Number(message.ts) - Number(previous.ts) < GROUP_SECONDS && dayOf(previous.ts) === dayOf(message.ts) && !previous.reply_count;

// Nodes are kept while nothing about their message changed, so that focus, scroll and entered
// values survive an update of the list.
export function drawMessages(list, messages, app, { inThread = false } = {}) {
  const old = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const nodes = [];
  let previous = null;
  messages.forEach((message, at) => {
    if (!previous || dayOf(previous.ts) !== dayOf(message.ts)) nodes.push(keyed(old, `day ${message.ts}`, () => h("div", { class: "day", role: "separator" }, h("span", {}, dayOf(message.ts)))));
    const compact = belongs(previous, message) && !(inThread && at < 2);
    const key = JSON.stringify([message, compact, app.me]);
    nodes.push(keyed(old, key, () => messageNode(message, app, { compact, inThread })));
    if (inThread && at === 0 && messages.length > 1) {
      const count = messages.length - 1;
      nodes.push(keyed(old, `replies ${count}`, () => h("div", { class: "reply-count" }, h("span", {}, `${count} ${count === 1 ? "reply" : "replies"}`))));
    }
    previous = message;
  });
  reconcile(list, nodes);
}

function keyed(old, key, make) {
  const node = old.get(key) || make();
  node.dataset.key = key;
  return node;
}

function reconcile(list, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  nodes.forEach((node, at) => {
    if (list.children[at] !== node) list.insertBefore(node, list.children[at] || null);
  });
}

export function statusLine(shown, name) {
  const words = [shown.status, ...(shown.loading_messages || [])];
  const first = /^(is|was|has|will)\b/.test(words[0]) ? `${name} ${words[0]}` : words[0];
  const line = h("div", { class: "status-line", role: "status", "data-testid": "status" },
    h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("span", {}, first));
  let at = 0;
  if (words.length > 1) {
    const turn = setInterval(() => {
      if (!line.isConnected) return clearInterval(turn);
      at = (at + 1) % words.length;
      line.lastChild.textContent = at ? words[at] : first;
    }, 2500);
  }
  return line;
}
