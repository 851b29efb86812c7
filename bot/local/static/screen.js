// The main pane (conversation, Home, mailbox) and the thread pane.

import { blocks } from "./blocks.js";
import { composer } from "./composer.js";
import { avatar, h, put, toast } from "./dom.js";
import { emoji } from "./emoji.js";
import { drawMail } from "./mail.js";
import { drawMessages, statusLine } from "./messages.js";
import { signs } from "./mrkdwn.js";

const isTop = (message) => !message.thread_ts || message.thread_ts === message.ts || message.subtype === "thread_broadcast";
const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 80;

export class Screen {
  constructor(app) {
    this.app = app;
  }

  frame() {
    const { app } = this;
    const { kind } = app.route;
    this.body = h("div", { class: "main-body", id: "main-body" });
    const parts = [this.header(), this.body];
    this.kept = null;
    if (kind === "channel" || kind === "dm") parts.push(...this.conversationParts());
    put(document.getElementById("main"), parts);
  }

  header() {
    const { app } = this;
    const { overview, route } = app;
    const burger = h("button", { type: "button", class: "round burger", "aria-label": "Menu", onclick: () => app.toggleSidebar() }, "☰");
    if (route.kind === "mail") return h("header", { class: "bar" }, burger, h("h1", {}, "✉ Mailbox"), h("span", { class: "faint" }, "Every e-mail this workspace sends ends here"));
    if (route.kind === "channel") {
      const channel = overview.channels.find((each) => each.id === route.channel);
      return h("header", { class: "bar" }, burger, h("h1", {}, `# ${channel.name}`), channel.shared && h("span", { class: "badge external" }, "Shared channel"),
        h("span", { class: "faint grow topic" }, channel.topic), h("span", { class: "faint" }, emoji("busts_in_silhouette"), ` ${channel.members.length}`));
    }
    const tab = (to, name, testid) => h("a", { href: to, class: "tab", "data-testid": testid, "aria-current": to === `#/${route.kind}` ? "page" : null }, name);
    return h("header", { class: "bar" }, burger, avatar(overview.bot.name, "app", "small"), h("h1", {}, overview.bot.name), h("span", { class: "badge" }, "App"),
      h("nav", { class: "tabs", "aria-label": overview.bot.name }, tab("#/home", "Home", "home-tab"), tab("#/dm", "Messages", "messages-tab")));
  }

  conversationParts() {
    const { app } = this;
    const name = app.route.kind === "dm" ? app.overview.bot.name : `#${app.overview.channels.find((each) => each.id === app.route.channel).name}`;
    this.list = h("div", { class: "messages", role: "log", "aria-label": `Messages in ${name}` });
    this.status = h("div", { class: "status" });
    this.hello = h("div", {});
    put(this.body, this.hello, this.list);
    const box = composer({ placeholder: `Message ${name}`, label: `Message ${name}`, testid: "composer", send: (text) => app.send(text), candidates: (asked) => app.candidates(asked) });
    if (matchMedia("(hover: hover)").matches) queueMicrotask(box.focus);
    return [this.status, box.node];
  }

  drawConversation() {
    const { app } = this;
    if (!this.list || app.conversation?.channel !== app.channel) return;
    const { messages, status } = app.conversation;
    const first = this.kept !== app.channel;
    const end = first || isAtEnd(this.body);
    drawMessages(this.list, messages.filter(isTop), app);
    put(this.hello, messages.length ? null : this.welcome());
    const roots = new Set(messages.filter(isTop).map((each) => each.ts));
    put(this.status, status.filter((each) => roots.has(each.thread_ts) && app.thread !== each.thread_ts || !each.thread_ts).map((each) => statusLine(each, app.overview.bot.name)));
    if (end) this.body.scrollTop = this.body.scrollHeight;
    this.kept = app.channel;
  }

  welcome() {
    const { app } = this;
    if (app.route.kind !== "dm") return h("div", { class: "empty" }, h("p", {}, "Nothing here yet."));
    const { prompts } = app.conversation;
    const chip = (each) => h("button", { type: "button", class: "chip", onclick: () => app.send(each.message) }, signs(each.title));
    return h("div", { class: "empty welcome" }, avatar(app.overview.bot.name, "app", "large"), h("h2", {}, app.overview.bot.name),
      h("p", {}, prompts?.title || "How can I help?"), prompts && h("div", { class: "chips", "data-testid": "prompts" }, prompts.prompts.map(chip)));
  }

  drawHome() {
    const { app } = this;
    const view = app.home;
    const fields = {};
    const ctx = {
      directory: app.overview,
      live: () => true,
      field: (block, action, get) => ((fields[block] ??= {})[action] = get),
      act: async (action_id, value) => {
        const status = await app.act({ view: view.id, action_id, value });
        if (status >= 300) toast(`${app.overview.bot.name} did not answer.`, "bad");
      },
    };
    const shown = view ? blocks(view.blocks, ctx) : h("div", { class: "empty" }, h("p", {}, `${app.overview.bot.name} has not prepared your Home yet.`));
    const top = this.body.scrollTop;
    const focused = document.activeElement?.dataset?.actionId;
    put(this.body, h("div", { class: "home", "data-testid": "home" }, shown));
    this.body.scrollTop = top;
    if (focused) this.body.querySelector(`[data-action-id="${CSS.escape(focused)}"]`)?.focus();
  }

  drawMail() {
    drawMail(this.body, this.app.mails, this.app.route.mail);
  }
}

// -- the thread pane

export function drawThread(pane, app, focus = false) {
  const messages = app.conversation?.messages.filter((each) => app.thread && (each.ts === app.thread || each.thread_ts === app.thread)) || [];
  const open = Boolean(app.thread && messages.length);
  document.body.classList.toggle("thread-open", open);
  pane.hidden = !open;
  if (!open) {
    pane.replaceChildren();
    delete pane.dataset.thread;
    return;
  }
  const fresh = pane.dataset.thread !== `${app.channel}-${app.thread}`;
  if (fresh) build(pane, app);
  const list = pane.querySelector(".messages");
  const body = pane.querySelector(".main-body");
  const end = fresh || isAtEnd(body);
  drawMessages(list, messages, app, { inThread: true });
  put(pane.querySelector(".status"), app.conversation.status.filter((each) => each.thread_ts === app.thread).map((each) => statusLine(each, app.overview.bot.name)));
  if (end) body.scrollTop = body.scrollHeight;
  if (focus) pane.querySelector("textarea").focus();
}

function build(pane, app) {
  pane.dataset.thread = `${app.channel}-${app.thread}`;
  const thread = app.thread;
  const box = composer({ placeholder: "Reply…", label: "Reply in thread", testid: "thread-composer", send: (text) => app.send(text, thread), candidates: (asked) => app.candidates(asked) });
  put(pane, h("header", { class: "bar" }, h("h2", {}, "Thread"), h("span", { class: "grow" }),
    h("button", { type: "button", class: "round", "aria-label": "Close thread", onclick: () => app.openThread(null) }, "✕")),
  h("div", { class: "main-body" }, h("div", { class: "messages", role: "log", "aria-label": "Thread" })), h("div", { class: "status" }), box.node);
}
