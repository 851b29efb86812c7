// The sidebar: who you act as, channels, the app, the mailbox, and the clock.

import { avatar, h, menu, put } from "./dom.js";
import { emoji } from "./emoji.js";
import { badge } from "./messages.js";

const longDay = (day) => {
  const at = new Date(`${day.slice(0, 10)}T12:00:00`);
  return Number.isNaN(at.getTime()) ? day : at.toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
};

function personSwitch(app) {
  const me = app.person(app.me);
  const button = h("button", { type: "button", class: "person-switch", "data-testid": "person-switch", "aria-haspopup": "menu", "aria-expanded": "false",
    "aria-label": `Acting as ${me.real_name}. Switch person`, onclick: () => menu(button, app.overview.people.map((person) => ({
      role: "menuitemradio", checked: String(person.id === app.me), act: () => app.become(person.id),
      content: [avatar(person.real_name, person.kind, "small"), h("span", { class: "grow" }, h("span", {}, person.real_name, " ", badge(person.kind)), h("small", {}, person.title))],
    })), { label: "Act as", testid: "people" }) },
  avatar(me.real_name, me.kind, "small"),
  h("span", { class: "grow" }, h("small", {}, "Acting as"), h("span", {}, me.real_name, " ", badge(me.kind))), h("span", { "aria-hidden": "true" }, "⌄"));
  return button;
}

function place(app, { to, name, testid, mark, unread = 0, current }) {
  return h("a", { href: to, class: `place ${unread ? "unread" : ""}`, "data-testid": testid, "aria-current": current ? "page" : null, onclick: () => app.closeSidebar() },
    h("span", { class: "place-mark", "aria-hidden": "true" }, mark), h("span", { class: "grow" }, name),
    unread ? h("span", { class: "count", "aria-label": "unread" }, typeof unread === "number" ? unread : "") : null);
}

function clock(app) {
  const { clock: shown } = app.overview;
  const step = (days) => app.step(days);
  const more = h("button", { type: "button", class: "button small", "aria-label": "Step several days", "aria-haspopup": "menu", "aria-expanded": "false", disabled: shown.running || !shown.can_step,
    onclick: () => menu(more, [1, 7, 30].map((days) => ({ content: `${days} ${days === 1 ? "day" : "days"}`, act: () => step(days) })), { label: "Step days" }) }, "⋯");
  const note = shown.running ? `Running day ${Math.min(shown.done + 1, shown.days)} of ${shown.days}…` : shown.error || shown.note;
  return h("section", { class: "clock", "aria-label": "Clock" },
    h("div", { class: "clock-row" }, emoji("clock9"), h("strong", { "data-testid": "clock" }, longDay(shown.today))),
    shown.can_step && h("div", { class: "clock-row" },
      h("button", { type: "button", class: "button small grow", "data-testid": "next-day", disabled: shown.running, onclick: () => step(1) }, shown.running ? "Working…" : "Next day ▸"), more),
    shown.running && h("progress", { max: shown.days, value: shown.done, "aria-label": "Days done" }),
    note && h("div", { class: `clock-note ${shown.error ? "bad" : ""}`, role: "status" }, note));
}

export function drawSidebar(node, app) {
  // An open menu hangs on its button: the news wait until it is closed.
  clearTimeout(node.redraw);
  if (node.querySelector('[aria-expanded="true"]')) {
    node.redraw = setTimeout(() => drawSidebar(node, app), 200);
    return;
  }
  const { overview, route } = app;
  const head = h("div", { class: "team" }, h("span", { class: "team-mark", "aria-hidden": "true" }, overview.team.name[0]), h("strong", { class: "grow" }, overview.team.name),
    h("button", { type: "button", class: "round", "aria-label": "Switch to… (Ctrl+K)", title: "Switch to… (Ctrl+K)", onclick: () => app.quickSwitch() }, "⌕"),
    h("button", { type: "button", class: "round", "aria-label": "Light or dark", title: "Light or dark", "data-testid": "theme", onclick: () => app.toggleTheme() }, "◐"));
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
  const inDm = route.kind === "dm" || route.kind === "home";
  put(node, head, personSwitch(app),
    h("div", { class: "places" },
      h("h2", {}, "Channels"),
      overview.channels.map((each) => place(app, { to: `#/${each.id}`, name: [each.name, each.shared && h("span", { class: "shared", title: "Shared with another organisation" }, emoji("link"))], testid: `channel-${each.name}`, mark: "#",
        unread: app.unread(each.id), current: route.channel === each.id })),
      h("h2", {}, "Apps"),
      place(app, { to: "#/dm", name: overview.bot.name, testid: "dm-tend", mark: avatar(overview.bot.name, "app", "mini"), unread: app.unread(overview.dm), current: inDm }),
      h("h2", {}, "Outside"),
      place(app, { to: "#/mail", name: "Mailbox", testid: "mailbox", mark: "✉", unread: overview.unread_mail, current: route.kind === "mail" })),
    clock(app));
  // Redrawn on every change, so the keyboard's place is put back.
  if (focused) node.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus();
}
