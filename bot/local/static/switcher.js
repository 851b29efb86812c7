// Ctrl+K: jump to a channel, the app, the mailbox, or act as someone else.

import { h, put } from "./dom.js";

function targets(app) {
  const { overview } = app;
  const to = (hash) => () => { location.hash = hash; };
  return [
    ...overview.channels.map((each) => ({ name: `# ${each.name}`, act: to(`#/${each.id}`) })),
    { name: `${overview.bot.name} · Messages`, act: to("#/dm") },
    { name: `${overview.bot.name} · Home`, act: to("#/home") },
    { name: "Mailbox", act: to("#/mail") },
    ...overview.people.map((each) => ({ name: `Act as ${each.real_name}`, act: () => app.become(each.id) })),
  ];
}

export function quickSwitch(app) {
  if (document.querySelector("dialog[open]")) return;
  const all = targets(app);
  const input = h("input", { class: "input", placeholder: "Jump to…", "aria-label": "Jump to", role: "combobox", "aria-expanded": "true", "aria-controls": "jumps" });
  const list = h("div", { class: "jumps", id: "jumps", role: "listbox" });
  const box = h("dialog", { class: "dialog switcher", "data-testid": "switcher", "aria-label": "Quick switcher" }, input, list);
  const close = () => { box.close(); box.remove(); };
  let [found, at] = [all, 0];
  const draw = () => put(list, found.map((each, place) => h("div", { role: "option", class: "suggestion", "aria-selected": String(place === at),
    onclick: () => { close(); each.act(); } }, each.name)));
  input.addEventListener("input", () => {
    found = all.filter((each) => each.name.toLowerCase().includes(input.value.toLowerCase()));
    at = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) at = (at + step + found.length) % found.length;
    else if (event.key === "Enter" && found[at]) { close(); found[at].act(); }
    else return;
    event.preventDefault();
    draw();
    list.children[at]?.scrollIntoView({ block: "nearest" });
  });
  box.addEventListener("cancel", close);
  box.addEventListener("click", (event) => event.target === box && close());
  draw();
  document.body.append(box);
  box.showModal();
  input.focus();
}
