// Interactive elements: buttons, selects, pickers, inputs. `ctx` says what to do with a choice:
// ctx.act(actionId, value, control) reports it, ctx.field(blockId, actionId, read) registers an input.

import { ask, h, menu } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn, plainText, textObject } from "./mrkdwn.js";

async function confirmed(element) {
  const { confirm } = element;
  if (!confirm) return true;
  return ask({ title: plainText(confirm.title), text: textObject(confirm.text), confirm: plainText(confirm.confirm),
    deny: plainText(confirm.deny), style: confirm.style });
}

async function press(control, element, ctx, value) {
  if (!(await confirmed(element))) return false;
  control.disabled = true;
  control.classList.add("busy");
  try {
    await ctx.act(element.action_id, value, control);
  } finally {
    control.disabled = false;
    control.classList.remove("busy");
  }
  return true;
}

function button(element, ctx) {
  const look = element.style === "primary" ? "solid primary" : element.style === "danger" ? "solid danger" : "";
  const node = h("button", { type: "button", class: `button ${look}`, "data-action-id": element.action_id,
    "aria-label": element.accessibility_label,
    onclick: () => {
      if (element.url) window.open(element.url, "_blank", "noopener");
      press(node, element, ctx, element.value ?? null);
    } }, textObject(element.text), element.url && h("span", { "aria-hidden": "true" }, " ↗"));
  return node;
}

function iconButton(element, ctx) {
  const node = h("button", { type: "button", class: "button icon", title: plainText(element.text), "data-action-id": element.action_id,
    "aria-label": element.accessibility_label || plainText(element.text),
    onclick: () => press(node, element, ctx, element.value ?? null) }, emoji("wastebasket"));
  return node;
}

function feedback(element, ctx) {
  const side = (choice, sign) => {
    const node = h("button", { type: "button", class: "button icon", title: plainText(choice.text), "aria-pressed": "false",
      "aria-label": choice.accessibility_label || plainText(choice.text), "data-action-id": element.action_id,
      onclick: async () => {
        await press(node, element, ctx, choice.value);
        for (const each of node.parentNode.children) each.setAttribute("aria-pressed", String(each === node));
      } }, sign);
    return node;
  };
  return h("span", { class: "feedback", role: "group", "aria-label": "Feedback" },
    side(element.positive_button, emoji("+1")), side(element.negative_button, emoji("-1")));
}

function overflow(element, ctx) {
  const node = h("button", { type: "button", class: "button icon", "aria-label": "More actions", "aria-haspopup": "menu",
    "aria-expanded": "false", "data-action-id": element.action_id,
    onclick: () => menu(node, element.options.map((option) => ({
      content: [h("span", {}, textObject(option.text)), option.description && h("small", {}, plainText(option.description))],
      act: () => {
        if (option.url) window.open(option.url, "_blank", "noopener");
        press(node, element, ctx, option.value);
      },
    })), { label: "More actions" }) }, "⋯");
  return node;
}

const groupsOf = (element) => element.option_groups || [{ options: element.options || [] }];

// The choices of any single select, as [{label, options: [{value, text}]}].
function choices(element, ctx) {
  const { people, channels, dm } = ctx.directory;
  if (element.type.includes("users")) return [{ options: people.map((each) => ({ value: each.id, text: each.real_name })) }];
  if (element.type.includes("conversations")) {
    return [{ options: [...channels.map((each) => ({ value: each.id, text: `#${each.name}` })), { value: dm, text: "Direct message with the app" }] }];
  }
  if (element.type.includes("channels")) return [{ options: channels.map((each) => ({ value: each.id, text: `#${each.name}` })) }];
  return groupsOf(element).map((group) => ({ label: group.label && plainText(group.label),
    options: group.options.map((option) => ({ value: option.value, text: plainText(option.text) })) }));
}

const initialOne = (element) => element.initial_option?.value ?? element.initial_user ?? element.initial_conversation ?? element.initial_channel ?? "";
const initialMany = (element) => element.initial_options?.map((option) => option.value) ?? element.initial_users ?? element.initial_conversations ?? element.initial_channels ?? [];

function select(element, ctx, given, label) {
  let last = given ?? initialOne(element);
  const option = ({ value, text }) => h("option", { value, selected: value === last }, text);
  const node = h("select", { class: "select", "aria-label": label || plainText(element.placeholder) || "Choose", "data-action-id": element.action_id },
    h("option", { value: "", selected: !last }, plainText(element.placeholder) || "Choose…"),
    choices(element, ctx).map((group) => group.label ? h("optgroup", { label: group.label }, group.options.map(option)) : group.options.map(option)));
  node.addEventListener("change", async () => {
    if (!ctx.live(element) || !node.value) return;
    if (await press(node, element, ctx, node.value)) last = node.value;
    else node.value = last;
  });
  return { node, read: () => node.value || null };
}

function multiSelect(element, ctx, given, label) {
  const chosen = new Set(given ?? initialMany(element));
  const all = choices(element, ctx).flatMap((group) => group.options);
  const summary = h("summary", { class: "select", "aria-label": label });
  const show = () => {
    const names = all.filter((option) => chosen.has(option.value)).map((option) => option.text);
    summary.textContent = names.join(", ") || plainText(element.placeholder) || "Choose…";
  };
  const box = (option) => {
    const input = h("input", { type: "checkbox", value: option.value, checked: chosen.has(option.value),
      onchange: () => {
        const full = element.max_selected_items && chosen.size >= element.max_selected_items;
        if (input.checked && full) input.checked = false;
        else if (input.checked) chosen.add(option.value);
        else chosen.delete(option.value);
        show();
        if (ctx.live(element)) ctx.act(element.action_id, [...chosen], input);
      } });
    return h("label", { class: "choice" }, input, option.text);
  };
  show();
  const node = h("details", { class: "multi", "data-action-id": element.action_id }, summary, h("div", { class: "multi-list" }, all.map(box)));
  return { node, read: () => [...chosen] };
}

function picker(kind, initial) {
  return (element, ctx, given, label) => {
    const node = h("input", { type: kind, class: "input", value: given ?? element[initial] ?? "", "data-action-id": element.action_id,
      "aria-label": label || plainText(element.placeholder) || kind });
    node.addEventListener("change", () => ctx.live(element) && node.value && press(node, element, ctx, node.value));
    return { node, read: () => node.value || null };
  };
}

function moment(element, ctx, given, label) {
  const local = (seconds) => new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const start = given ?? element.initial_date_time;
  const node = h("input", { type: "datetime-local", class: "input", value: start ? local(start) : "", "aria-label": label || "Date and time" });
  const read = () => (node.value ? Math.round(new Date(node.value).getTime() / 1000) : null);
  node.addEventListener("change", () => ctx.live(element) && read() && press(node, element, ctx, read()));
  return { node, read };
}

function group(kind) {
  return (element, ctx, given, label) => {
    const one = kind === "radio";
    const chosen = new Set(one ? [given ?? initialOne(element)] : (given ?? initialMany(element)));
    const name = `${element.action_id}-${Math.random().toString(36).slice(2)}`;
    const inputs = element.options.map((option) => h("input", { type: kind, name, value: option.value, checked: chosen.has(option.value) }));
    const values = () => inputs.filter((input) => input.checked).map((input) => input.value);
    const read = () => (one ? (values()[0] ?? null) : values());
    const node = h("fieldset", { class: "choices", "aria-label": label, "data-action-id": element.action_id }, element.options.map((option, at) =>
      h("label", { class: "choice" }, inputs[at], h("span", {}, textObject(option.text), option.description && h("small", {}, textObject(option.description))))));
    node.addEventListener("change", () => ctx.live(element) && ctx.act(element.action_id, read(), inputs[0]));
    return { node, read };
  };
}

function typed(kind) {
  return (element, ctx, given, label) => {
    const start = given ?? (typeof element.initial_value === "string" ? element.initial_value : "");
    const common = { class: "input", placeholder: plainText(element.placeholder) || null, "aria-label": label, value: start,
      "data-action-id": element.action_id, maxlength: element.max_length, autofocus: element.focus_on_load };
    const long = element.multiline || kind === "rich";
    const node = long ? h("textarea", { ...common, rows: 5 })
      : h("input", { ...common, type: kind === "number" ? "text" : kind, inputmode: kind === "number" ? "decimal" : null });
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !long && ctx.live(element)) {
        event.preventDefault();
        ctx.act(element.action_id, node.value, node);
      }
    });
    return { node, read: () => node.value || null };
  };
}

const INPUTS = {
  static_select: select, users_select: select, conversations_select: select, channels_select: select, external_select: select,
  multi_static_select: multiSelect, multi_users_select: multiSelect, multi_conversations_select: multiSelect, multi_channels_select: multiSelect,
  datepicker: picker("date", "initial_date"), timepicker: picker("time", "initial_time"), datetimepicker: moment,
  radio_buttons: group("radio"), checkboxes: group("checkbox"),
  plain_text_input: typed("text"), number_input: typed("number"), email_text_input: typed("email"), url_text_input: typed("url"), rich_text_input: typed("rich"),
};
const PRESSED = { button, icon_button: iconButton, feedback_buttons: feedback, overflow };

export function control(element, blockId, ctx, label) {
  if (PRESSED[element.type]) return PRESSED[element.type](element, ctx);
  const make = INPUTS[element.type];
  if (!make) return h("em", {}, mrkdwn(`(${element.type})`));
  const { node, read } = make(element, ctx, ctx.kept?.[blockId]?.[element.action_id], label);
  ctx.field?.(blockId, element.action_id, read);
  return node;
}
