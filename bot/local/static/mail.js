// The mailbox: delivered mails on the left, the chosen one on the right, its HTML in a sandbox.

import { avatar, h, put } from "./dom.js";

const at = (mail) => new Date(mail.at * 1000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const receiver = (mail) => mail.to.replace(/<.*>/, "").replaceAll('"', "").trim() || mail.envelope_to.join(", ");

function reading(mail) {
  if (!mail) return h("div", { class: "empty" }, h("p", {}, "Choose a mail to read it."));
  const text = h("pre", { class: "mail-text" }, mail.text || "(no text part)");
  const frame = mail.html && h("iframe", { sandbox: "", src: `/local/mail/${mail.id}/html`, title: `Mail: ${mail.subject}`, class: "mail-frame" });
  const body = h("div", { class: "mail-body" }, frame || text);
  const show = (what) => () => put(body, what);
  const header = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h("article", { class: "mail-open", "data-testid": "mail-open" },
    h("h2", {}, mail.subject || "(no subject)"),
    h("dl", { class: "mail-headers" }, header("From", mail.from_), header("To", mail.to || mail.envelope_to.join(", ")), header("Date", at(mail)),
      header("Reply-To", mail.headers["Reply-To"]), header("Unsubscribe", mail.headers["List-Unsubscribe"])),
    frame && h("div", { class: "tabs" }, h("button", { type: "button", class: "button small", onclick: show(frame) }, "HTML"),
      h("button", { type: "button", class: "button small", onclick: show(text) }, "Text")),
    body);
}

export function drawMail(node, mails, openId) {
  const row = (mail) => h("a", { href: `#/mail/${mail.id}`, class: `mail-row ${mail.read ? "" : "unread"}`, "data-testid": "mail", "aria-current": mail.id === openId ? "true" : null },
    avatar(receiver(mail), "member", "small"),
    h("span", { class: "grow" }, h("span", { class: "mail-line" }, h("strong", {}, receiver(mail)), h("time", {}, at(mail))),
      h("span", { class: "mail-subject" }, mail.subject || "(no subject)"), h("span", { class: "mail-peek" }, mail.text.slice(0, 90))));
  const open = mails.find((mail) => mail.id === openId);
  put(node, h("div", { class: `mail ${open ? "has-open" : ""}` },
    h("div", { class: "mail-list", role: "list" }, mails.length ? mails.map(row) : h("div", { class: "empty" }, h("p", {}, "No mail yet."), h("p", { class: "faint" }, "What is sent by e-mail from this workspace arrives here."))),
    h("div", { class: "mail-pane" }, reading(open))));
}
