// Builds DOM nodes from plain values; text only ever becomes text nodes, so data cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

export const put = (place, ...children) => {
  place.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return place;
};

export const byId = (id) => document.getElementById(id);

export function initials(name) {
  const words = name.trim().split(/\s+/);
  return ((words[0]?.[0] || "?") + (words.length > 1 ? words.at(-1)[0] : "")).toUpperCase();
}

export function avatar(name, kind = "person", size = "") {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 8;
  const look = kind === "app" ? "avatar-app" : `avatar-${sum}`;
  return h("span", { class: `avatar ${look} ${size}`, "aria-hidden": "true" }, initials(name));
}

export function toast(text, kind = "") {
  const note = h("div", { class: `toast ${kind}`, "data-testid": "toast" }, text);
  byId("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

// A menu under a button: arrow keys move, Escape closes and gives the focus back.
export function menu(button, items, { label, testid } = {}) {
  document.querySelector(".menu")?.remove();
  const list = h("div", { class: "menu", role: "menu", "aria-label": label, "data-testid": testid });
  const close = (back = true) => {
    list.remove();
    document.removeEventListener("pointerdown", outside, true);
    button.setAttribute("aria-expanded", "false");
    if (back) button.focus();
  };
  const outside = (event) => list.contains(event.target) || close(false);
  for (const item of items) {
    list.append(
      h("button", { type: "button", role: item.role || "menuitem", class: "menu-item", "aria-checked": item.checked,
        onclick: () => { close(); item.act(); } }, item.content),
    );
  }
  list.addEventListener("keydown", (event) => {
    const all = [...list.children];
    const at = all.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) all[(at + step + all.length) % all.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", outside, true);
  button.setAttribute("aria-expanded", "true");
  (button.closest("dialog") || document.body).append(list);
  place(list, button);
  (list.querySelector("[aria-checked=true]") || list.firstChild)?.focus();
  return list;
}

function place(list, button) {
  const at = button.getBoundingClientRect();
  const below = at.bottom + list.offsetHeight + 8 < innerHeight;
  list.style.left = `${Math.max(8, Math.min(at.left, innerWidth - list.offsetWidth - 8))}px`;
  list.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - list.offsetHeight - 4)}px`;
}

// Asks before something is done; resolves to true or false.
export function ask({ title, text, confirm, deny, style }) {
  return new Promise((resolve) => {
    const finish = (answer) => { box.close(); box.remove(); resolve(answer); };
    const box = h("dialog", { class: "dialog confirm", "data-testid": "confirm", "aria-label": title },
      h("h2", {}, title),
      h("div", { class: "dialog-body" }, text),
      h("footer", {},
        h("button", { type: "button", class: "button", onclick: () => finish(false) }, deny),
        h("button", { type: "button", class: `button solid ${style === "danger" ? "danger" : "primary"}`,
          "data-testid": "confirm-yes", onclick: () => finish(true) }, confirm)));
    box.addEventListener("cancel", (event) => { event.preventDefault(); finish(false); });
    document.body.append(box);
    box.showModal();
  });
}
