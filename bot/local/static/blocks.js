// Block Kit blocks as DOM nodes.

import { visualization } from "./charts.js";
import { control } from "./controls.js";
import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { markdown } from "./markdown.js";
import { mrkdwn, plainText, textObject } from "./mrkdwn.js";
import { richText } from "./rich.js";
import { dataTable, plainTable } from "./tables.js";

const STEPS = { pending: "○", in_progress: "◐", complete: "✓", error: "✕" };

function picture(source, className) {
  const url = source.image_url || (source.slack_file?.id ? `/files/${source.slack_file.id}/file` : source.slack_file?.url) || "";
  const image = h("img", { src: url, alt: source.alt_text || "", class: className, loading: "lazy" });
  // Pictures from elsewhere are not fetched; their description stands in.
  image.addEventListener("error", () => image.replaceWith(h("span", { class: "no-picture" }, emoji("frame_with_picture"), ` ${source.alt_text || "Picture"}`)));
  return image;
}

const section = (block, ctx) => h("div", { class: "block section" },
  h("div", { class: "section-text" },
    block.text && h("div", { class: "text" }, textObject(block.text)),
    block.fields && h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "text" }, textObject(field))))),
  block.accessory && h("div", { class: "accessory" },
    block.accessory.type === "image" ? picture(block.accessory, "thumb") : control(block.accessory, block.block_id, ctx)));

const contextPart = (element) => element.type === "image" ? picture(element, "tiny") : h("span", { class: "text" }, textObject(element));

function input(block, ctx) {
  const label = plainText(block.label);
  return h("div", { class: "block input-block", "data-block-id": block.block_id },
    h("div", { class: "label" }, label, block.optional && h("span", { class: "optional" }, " (optional)")),
    control(block.element, block.block_id, ctx, label),
    block.hint && h("div", { class: "hint" }, textObject(block.hint)),
    h("div", { class: "field-error", role: "alert", "data-testid": "field-error" }));
}

const card = (block, ctx) => h("div", { class: "block card" },
  block.hero_image && picture(block.hero_image, "hero"),
  h("div", { class: "card-head" }, block.icon && picture(block.icon, "tiny"),
    h("div", {}, block.title && h("div", { class: "card-title" }, textObject(block.title)),
      block.subtitle && h("div", { class: "card-subtitle" }, textObject(block.subtitle)))),
  block.body && h("div", { class: "text" }, textObject(block.body)),
  block.actions && h("div", { class: "actions" }, block.actions.map((each) => control(each, block.block_id, ctx))));

const task = (block) => h("details", { class: `block task task-${block.status || "pending"}`, open: block.status === "error" },
  h("summary", {}, h("span", { class: "task-mark", "aria-label": block.status || "pending" }, STEPS[block.status || "pending"]), block.title),
  block.details && richText(block.details), block.output && richText(block.output),
  block.sources && h("div", { class: "sources" }, block.sources.map((each) => mrkdwn(`<${each.url}|${each.text}>`))));

function container(block, ctx) {
  const head = [h("strong", {}, block.rich_text_title ? richText(block.rich_text_title) : plainText(block.title)),
    block.subtitle && h("span", { class: "card-subtitle" }, textObject(block.subtitle))];
  const body = h("div", {}, blocks(block.child_blocks, ctx));
  if (!block.is_collapsible) return h("div", { class: "block card" }, h("div", { class: "card-head" }, head), body);
  return h("details", { class: "block card", open: !block.default_collapsed }, h("summary", {}, head), body);
}

const BLOCKS = {
  section,
  divider: () => h("hr", { class: "block divider" }),
  header: (block) => h("h3", { class: "block header" }, textObject(block.text)),
  context: (block) => h("div", { class: "block context" }, block.elements.map(contextPart)),
  actions: (block, ctx) => h("div", { class: "block actions" }, block.elements.map((each) => control(each, block.block_id, ctx))),
  context_actions: (block, ctx) => h("div", { class: "block actions" }, block.elements.map((each) => control(each, block.block_id, ctx))),
  input,
  image: (block) => h("figure", { class: "block image" }, block.title && h("figcaption", {}, plainText(block.title)), picture(block, "picture")),
  markdown: (block) => h("div", { class: "block markdown" }, markdown(block.text)),
  rich_text: (block) => h("div", { class: "block" }, richText(block)),
  table: plainTable,
  data_table: dataTable,
  data_visualization: visualization,
  card,
  carousel: (block, ctx) => h("div", { class: "block carousel" }, block.elements.map((each) => card(each, ctx))),
  container,
  alert: (block) => h("div", { class: `block alert alert-${block.level || "default"}`, role: "note" }, textObject(block.text)),
  task_card: task,
  plan: (block) => h("div", { class: "block plan" }, h("strong", {}, block.title), (block.tasks || []).map(task)),
  video: (block) => h("div", { class: "block" }, mrkdwn(`:arrow_forward: <${block.title_url || block.video_url}|${block.title.text}>`)),
};

export function blocks(list, ctx) {
  return list.map((block) => BLOCKS[block.type]?.(block, ctx) ?? h("div", { class: "block hint" }, `(${block.type})`));
}

export function files(list) {
  return list.map((file) => file.mimetype.startsWith("image/")
    ? h("figure", { class: "block image" }, h("figcaption", {}, file.title), h("img", { src: file.path, alt: file.alt_txt || file.title, class: "picture" }))
    : h("a", { class: "block file", href: file.path, download: file.name }, h("span", { class: "file-mark", "aria-hidden": "true" }, emoji("page_facing_up")),
        h("span", {}, h("strong", {}, file.title), h("small", {}, `${Math.ceil(file.size / 1024)} kB`))));
}
