// Modals: a native dialog keeps the focus inside; entered values survive an update of the view.

import { blocks } from "./blocks.js";
import { h, put, toast } from "./dom.js";
import { plainText } from "./mrkdwn.js";

export class Modal {
  constructor(app) {
    this.app = app;
    this.box = null;
    this.view = null;
    this.fields = {};
  }

  show(view) {
    if (!view) return this.#hide();
    if (this.view?.id === view.id && this.view.hash === view.hash) return;
    const kept = this.view?.id === view.id ? this.values() : {};
    this.view = view;
    this.fields = {};
    if (!this.box) this.#build();
    this.#fill(view, kept);
  }

  #build() {
    this.before = document.activeElement;
    this.box = h("dialog", { class: "dialog modal", "data-testid": "modal", "aria-labelledby": "modal-title" });
    this.box.addEventListener("cancel", (event) => { event.preventDefault(); this.#close(); });
    document.body.append(this.box);
    this.box.showModal();
  }

  #hide() {
    this.box?.close();
    this.box?.remove();
    if (this.box) this.before?.isConnected && this.before.focus();
    Object.assign(this, { box: null, view: null, fields: {} });
  }

  values() {
    const read = {};
    for (const [block, actions] of Object.entries(this.fields)) {
      read[block] = Object.fromEntries(Object.entries(actions).map(([action, get]) => [action, get()]));
    }
    return read;
  }

  #fill(view, kept) {
    const ctx = {
      directory: this.app.overview,
      kept,
      live: (element) => this.#dispatches(view, element),
      field: (block, action, get) => ((this.fields[block] ??= {})[action] = get),
      act: (action_id, value) => this.#act(action_id, value),
    };
    const submit = view.submit && h("button", { type: "submit", class: "button solid primary", "data-testid": "modal-submit" }, plainText(view.submit));
    const form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.#submit(submit); } },
      h("header", {}, h("h2", { id: "modal-title" }, plainText(view.title)),
        h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.#close() }, "✕")),
      h("div", { class: "dialog-body" }, h("div", { class: "form-error", role: "alert" }), blocks(view.blocks, ctx)),
      h("footer", {},
        h("button", { type: "button", class: "button", "data-testid": "modal-close", onclick: () => this.#close() }, plainText(view.close) || "Cancel"), submit));
    put(this.box, form);
    (form.querySelector("[autofocus]") || form.querySelector(".dialog-body :is(input,textarea,select,summary)") || submit || form.querySelector(".close"))?.focus();
  }

  #dispatches(view, element) {
    const block = view.blocks.find((each) => each.element?.action_id === element.action_id);
    return !block || Boolean(block.dispatch_action);
  }

  async #act(action_id, value) {
    const status = await this.app.act({ view: this.view.id, action_id, value, values: this.values() });
    if (status >= 300) toast(`${this.app.overview.bot.name} did not answer.`, "bad");
  }

  async #submit(button) {
    if (button.disabled) return;
    button.disabled = true;
    button.classList.add("busy");
    try {
      this.#answer(await this.app.submit(this.view.id, this.values()));
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  }

  #answer(answer) {
    const errors = answer.errors || {};
    for (const block of this.box?.querySelectorAll(".input-block") || []) {
      const text = errors[block.dataset.blockId] || "";
      block.querySelector(".field-error").textContent = text;
      const input = block.querySelector("input, textarea, select");
      if (text) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
    this.box?.querySelector("[aria-invalid]")?.focus();
    const general = this.box?.querySelector(".form-error");
    if (general) general.textContent = answer.error ? "We had some trouble connecting. Try again?" : "";
  }

  #close() {
    this.app.closeModal();
  }
}
