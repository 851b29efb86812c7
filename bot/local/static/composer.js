// The message box: Enter sends, Shift+Enter breaks the line, / lists commands, @ completes names.

import { avatar, h, put } from "./dom.js";

let boxes = 0;

export function composer({ placeholder, label, testid, send, candidates }) {
  const id = `suggestions-${++boxes}`;
  const box = h("textarea", { rows: 1, placeholder, "aria-label": label, "data-testid": testid, id: testid === "composer" ? "composer" : null,
    role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false" });
  const list = h("div", { class: "suggestions", role: "listbox", id, hidden: true, "data-testid": "suggestions" });
  const button = h("button", { type: "submit", class: "send", "aria-label": "Send", "data-testid": testid === "composer" ? "send" : "send-reply", disabled: true }, "➤");
  const form = h("form", { class: "composer" }, list, box, button);
  const state = { items: [], at: 0, from: 0 };

  const grow = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 180)}px`;
    button.disabled = !box.value.trim();
  };

  function suggest() {
    const before = box.value.slice(0, box.selectionStart);
    const command = /^\/\S*$/.exec(before);
    const name = /(?:^|\s)(@[\p{L}\d_.]*)$/u.exec(before);
    const asked = command?.[0] ?? name?.[1];
    state.from = asked === undefined ? 0 : before.length - asked.length;
    show(asked === undefined ? [] : candidates(asked).slice(0, 8));
  }

  function show(items) {
    Object.assign(state, { items, at: 0 });
    list.hidden = !items.length;
    box.setAttribute("aria-expanded", String(Boolean(items.length)));
    mark();
  }

  function mark() {
    put(list, state.items.map((item, at) => h("div", { role: "option", class: "suggestion", id: `${id}-${at}`, "aria-selected": String(at === state.at),
      onpointerdown: (event) => { event.preventDefault(); state.at = at; take(); } },
    item.kind ? avatar(item.label, item.kind, "mini") : h("span", { class: "slash", "aria-hidden": "true" }, "/"),
    h("strong", {}, item.label), h("span", { class: "faint" }, item.hint))));
    if (state.items.length) box.setAttribute("aria-activedescendant", `${id}-${state.at}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function take() {
    const { text } = state.items[state.at];
    const end = box.selectionStart;
    box.setRangeText(`${text} `, state.from, end, "end");
    show([]);
    grow();
  }

  async function submit() {
    const text = box.value.trim();
    if (!text) return;
    box.value = "";
    show([]);
    grow();
    try {
      await send(text);
    } catch {
      box.value ||= text;
      grow();
    }
  }

  box.addEventListener("input", () => { grow(); suggest(); });
  box.addEventListener("blur", () => show([]));
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = state.items.length > 0;
    const exact = open && box.value.slice(state.from).trim() === state.items[state.at].text;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (open && step) { state.at = (state.at + step + state.items.length) % state.items.length; mark(); }
    else if (open && event.key === "Escape") show([]);
    else if (open && (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey && !exact))) take();
    else if (event.key === "Enter" && !event.shiftKey) submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  return { node: form, focus: () => box.focus(), box };
}
