// Emoji shortcodes the way people and apps write them in Slack; drawn where no emoji font is installed.

import { h, svg } from "./dom.js";

const TABLE = `
+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|wave 👋|clap 👏|raised_hands 🙌|pray 🙏|muscle 💪|ok_hand 👌|point_right 👉
point_left 👈|point_up ☝️|point_down 👇|eyes 👀|handshake 🤝|writing_hand ✍️|brain 🧠|busts_in_silhouette 👥
bust_in_silhouette 👤|smile 😄|smiley 😃|grinning 😀|slightly_smiling_face 🙂|wink 😉|blush 😊|joy 😂|thinking_face 🤔
neutral_face 😐|confused 😕|disappointed 😞|worried 😟|cry 😢|rage 😡|sweat_smile 😅|sunglasses 😎|star-struck 🤩
partying_face 🥳|shrug 🤷|face_with_monocle 🧐|sleeping 😴|robot_face 🤖|heart ❤️|green_heart 💚|yellow_heart 💛
broken_heart 💔|sparkles ✨|star ⭐|star2 🌟|zap ⚡|fire 🔥|boom 💥|tada 🎉|confetti_ball 🎊|gift 🎁|trophy 🏆
medal 🏅|first_place_medal 🥇|second_place_medal 🥈|third_place_medal 🥉|dart 🎯|rocket 🚀|airplane ✈️|ship 🚢
warning ⚠️|rotating_light 🚨|no_entry ⛔|no_entry_sign 🚫|octagonal_sign 🛑|x ❌|heavy_multiplication_x ✖️
white_check_mark ✅|heavy_check_mark ✔️|ballot_box_with_check ☑️|question ❓|grey_question ❔|exclamation ❗
bangbang ‼️|information_source ℹ️|bulb 💡|mag 🔍|mag_right 🔎|bell 🔔|no_bell 🔕|mega 📣|loudspeaker 📢
speech_balloon 💬|thought_balloon 💭|email 📧|envelope ✉️|incoming_envelope 📨|outbox_tray 📤|inbox_tray 📥
mailbox 📫|mailbox_with_mail 📬|package 📦|phone ☎️|telephone_receiver 📞|iphone 📱|computer 💻|desktop_computer 🖥️
gear ⚙️|wrench 🔧|hammer_and_wrench 🛠️|hammer 🔨|lock 🔒|unlock 🔓|key 🔑|link 🔗|paperclip 📎|pushpin 📌|round_pushpin 📍
scissors ✂️|pencil ✏️|pencil2 ✏️|memo 📝|clipboard 📋|page_facing_up 📄|page_with_curl 📃|bookmark 🔖|bookmark_tabs 📑
books 📚|book 📖|open_book 📖|notebook 📓|file_folder 📁|open_file_folder 📂|card_index_dividers 🗂️|wastebasket 🗑️
bar_chart 📊|chart_with_upwards_trend 📈|chart_with_downwards_trend 📉|moneybag 💰|dollar 💵|euro 💶|credit_card 💳
money_with_wings 💸|receipt 🧾|balance_scale ⚖️|date 📅|calendar 📆|spiral_calendar_pad 🗓️|clock1 🕐|clock3 🕒|clock9 🕘
alarm_clock ⏰|stopwatch ⏱️|hourglass ⌛|hourglass_flowing_sand ⏳|large_green_circle 🟢|large_yellow_circle 🟡
large_orange_circle 🟠|large_red_circle 🔴|red_circle 🔴|large_blue_circle 🔵|large_purple_circle 🟣|white_circle ⚪
black_circle ⚫|large_green_square 🟩|large_yellow_square 🟨|large_orange_square 🟧|large_red_square 🟥|white_large_square ⬜
small_blue_diamond 🔹|small_orange_diamond 🔸|arrow_up ⬆️|arrow_down ⬇️|arrow_right ➡️|arrow_left ⬅️|arrow_upper_right ↗️
arrow_lower_right ↘️|arrow_forward ▶️|rewind ⏪|fast_forward ⏩|pause_button ⏸️|repeat 🔁|arrows_counterclockwise 🔄
heavy_plus_sign ➕|heavy_minus_sign ➖|infinity ♾️|seedling 🌱|herb 🌿|four_leaf_clover 🍀|deciduous_tree 🌳|sunny ☀️
partly_sunny ⛅|cloud ☁️|rain_cloud 🌧️|thunder_cloud_and_rain ⛈️|snowflake ❄️|rainbow 🌈|umbrella ☔|ocean 🌊|coffee ☕
pizza 🍕|cake 🍰|birthday 🎂|champagne 🍾|beers 🍻|house 🏠|office 🏢|factory 🏭|bank 🏦|hospital 🏥|school 🏫|building_construction 🏗️
world_map 🗺️|earth_africa 🌍|globe_with_meridians 🌐|one 1️⃣|two 2️⃣|three 3️⃣|four 4️⃣|five 5️⃣|six 6️⃣|seven 7️⃣|eight 8️⃣|nine 9️⃣|keycap_ten 🔟
100 💯|new 🆕|up 🆙|ok 🆗|cool 🆒|sos 🆘|zzz 💤|crown 👑|gem 💎|crystal_ball 🔮|telescope 🔭|microscope 🔬|test_tube 🧪
compass 🧭|anchor ⚓|lifebuoy 🛟|ring_buoy 🛟|shield 🛡️|ladder 🪜|door 🚪|broom 🧹|fire_extinguisher 🧯|ambulance 🚑|construction 🚧
vertical_traffic_light 🚦|checkered_flag 🏁|triangular_flag_on_post 🚩|white_flag 🏳️|hourglass_done ⌛|smiling_face_with_tear 🥲`;

const EMOJI = new Map(
  TABLE.trim()
    .split(/[|\n]/)
    .map((entry) => entry.trim().split(" ")),
);

const NAMES = new Map([...EMOJI].map(([name, sign]) => [sign, name]));
const GLYPH = /\p{Extended_Pictographic}\uFE0F?|[\u{1F1E6}-\u{1F1FF}]{2}|[0-9]\uFE0F\u20E3/gu;

// Colours appear only when a colour emoji font draws the sign.
function hasFont() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 20;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.font = "16px sans-serif";
  pen.fillText("😀", 0, 16);
  const { data } = pen.getImageData(0, 0, 20, 20);
  return data.some((_, at) => at % 4 === 0 && data[at + 3] > 40 && Math.abs(data[at] - data[at + 2]) > 40);
}
const NATIVE = hasFont();

const RED = "#d64550", GREEN = "#2f9e63", YELLOW = "#e8b423", ORANGE = "#e8833a", BLUE = "#3f7fd6", PURPLE = "#8b62c2", GREY = "#8b9793", INK = "#5d6b66";
const circle = (fill) => [["circle", { cx: 10, cy: 10, r: 8, fill }]];
const square = (fill) => [["rect", { x: 2, y: 2, width: 16, height: 16, rx: 3, fill }]];
const path = (d, stroke = INK, fill = "none") => ["path", { d, stroke, fill, "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round" }];
const trend = (d, colour) => [path("M2 2v16h16"), path(d, colour)];
const thumb = [path("M3 9h3v8H3zM6 10l4-7c2 0 2 2 1.500 5h5l-1.500 8.500H6", INK, YELLOW)];
const hand = [path("M6 10V5m3 4V3m3 6V4m3 6V6v7c0 6-9 6-10 1L3 10", INK, YELLOW)];
const calendar = [path("M3 4h14v13H3zM3 8h14M7 2v4m6-4v4")];
const star = [path("M10 2l2.500 5.500 6 .6-4.500 4 1.300 6L10 15l-5.300 3.100 1.300-6-4.500-4 6-.6z", YELLOW, YELLOW)];
const party = [path("M3 18l4-11 6 6zM12 4l1-2m2 6l3-1m-4-1l3-3", ORANGE, YELLOW)];
const clock = [path("M10 2a8 8 0 100 16 8 8 0 000-16zM10 6v4l3 2")];
const letter = [path("M2 5h16v11H2zM2 5l8 6 8-6")];
const sheet = [path("M4 2h8l4 4v12H4zM7 9h6m-6 4h6")];
const people = [path("M7 9a3 3 0 100-6 3 3 0 000 6zM2 17c0-7 10-7 10 0M13 9a3 3 0 000-6m1 8c3 0 4 3 4 6")];
const bell = [path("M4 15h12l-2-3V8a4 4 0 00-8 0v4zM9 17h2", ORANGE, YELLOW)];
const bulb = [path("M7 14c-6-5 0-12 3-12s9 7 3 12zM8 17h4", ORANGE, YELLOW)];
const DRAWN = {
  red_circle: circle(RED), large_red_circle: circle(RED), large_green_circle: circle(GREEN), large_yellow_circle: circle(YELLOW), large_orange_circle: circle(ORANGE),
  large_blue_circle: circle(BLUE), large_purple_circle: circle(PURPLE), white_circle: [["circle", { cx: 10, cy: 10, r: 7, fill: "none", stroke: GREY, "stroke-width": 2 }]], black_circle: circle("#333"),
  large_red_square: square(RED), large_green_square: square(GREEN), large_yellow_square: square(YELLOW), large_orange_square: square(ORANGE), white_large_square: square("#cdd5d1"),
  white_check_mark: [...square(GREEN), path("M6 10l3 3 5-6", "#fff")], heavy_check_mark: [path("M4 10l4 5 8-10", GREEN)], ballot_box_with_check: [...square(BLUE), path("M6 10l3 3 5-6", "#fff")],
  x: [path("M4 4l12 12M16 4L4 16", RED)], no_entry: [...circle(RED), path("M6 10h8", "#fff")], no_entry_sign: [path("M10 2a8 8 0 100 16 8 8 0 000-16zM4.500 4.500l11 11", RED)],
  warning: [path("M10 2l8.500 15.500h-17z", ORANGE, YELLOW), path("M10 8v4m0 2.800v.1", "#333")], rotating_light: [path("M5 15v-4a5 5 0 0110 0v4M3 17h14", RED, RED)], information_source: [...square(BLUE), path("M10 9v5m0-8v.1", "#fff")],
  chart_with_downwards_trend: trend("M5 5l4 5 3-2 5 6", RED), chart_with_upwards_trend: trend("M5 14l4-5 3 2 5-7", GREEN), bar_chart: [path("M4 17v-6m6 6V4m6 13V8", BLUE)],
  moneybag: [path("M7 3h6l-2 4c8 3 7 11-1 11S1 10 9 7z", ORANGE, YELLOW), path("M10 10v5", INK)], dollar: [...square(GREEN), path("M10 5v10", "#fff")], euro: [...square(BLUE), path("M13 6c-6-1-6 9 0 8M6 10h5", "#fff")],
  "+1": thumb, thumbsup: thumb, "-1": [["g", { transform: "rotate(180 10 10)" }, thumb]], thumbsdown: [["g", { transform: "rotate(180 10 10)" }, thumb]], wave: hand, raised_hands: hand, pray: hand, clap: hand,
  eyes: [path("M6 4c4 0 4 12 0 12S2 4 6 4zm8 0c4 0 4 12 0 12s-4-12 0-12M7 11v1m8-1v1")], tada: party, partying_face: party, confetti_ball: party, star, star2: star, sparkles: star, bulb, bell, calendar, date: calendar, spiral_calendar_pad: calendar,
  hourglass_flowing_sand: [path("M5 2h10M5 18h10M6 2c0 6 8 10 8 16M14 2c0 6-8 10-8 16")], clock9: clock, alarm_clock: clock, stopwatch: clock, email: letter, envelope: letter, incoming_envelope: letter, mailbox_with_mail: letter, mailbox: letter,
  memo: sheet, clipboard: sheet, page_facing_up: sheet, receipt: sheet, books: sheet, busts_in_silhouette: people, bust_in_silhouette: people, mag: [path("M8 3a5.500 5.500 0 100 11A5.500 5.500 0 008 3zM12 12l5 6")], lock: [path("M5 9h10v8H5zM7 9V6a3 3 0 016 0v3", ORANGE, YELLOW)],
  rocket: [path("M10 2c5 3 5 9 3 13H7C5 11 5 5 10 2zM8 18h4", BLUE)], fire: [path("M10 2c1 5 6 6 5 11s-9 5-10 0c0-3 2-4 2-6 2 1 3-2 3-5z", RED, ORANGE)], dart: [path("M10 2a8 8 0 100 16 8 8 0 000-16zM10 6a4 4 0 100 8 4 4 0 000-8", RED)], seedling: [path("M10 18V9c0-4 3-5 7-5 0 5-3 6-7 6-3 0-6-1-6-5 4 0 6 1 6 4", GREEN)],
  speech_balloon: [path("M2 4h16v10H9l-4 4v-4H2z")], wastebasket: [path("M3 5h14M8 5V3h4v2M5 5l1 13h8l1-13")], frame_with_picture: [path("M2 3h16v14H2zM2 14l5-5 4 4 2-2 5 4")], link: [path("M8 12l4-4M9 6l2-2c4-3 8 1 5 5l-2 2m-3 3l-2 2c-4 3-8-1-5-5l2-2")], eye: [path("M1 10c5-8 13-8 18 0-5 8-13 8-18 0zM10 7a3 3 0 100 6 3 3 0 000-6")],
};
const SIGNS = { wastebasket: "🗑️", frame_with_picture: "🖼️", eye: "👁️", ...Object.fromEntries(EMOJI) };

const build = ([tag, attributes, inner = []]) => svg(tag, attributes, inner.map(build));

// A shortcode as a node: the sign itself, a drawing of it, or its name; nothing for an unknown name.
export function emoji(name) {
  const short = name.split("::")[0];
  if (!SIGNS[short]) return null;
  const label = short.replaceAll("_", " ");
  if (NATIVE) return h("span", { class: "emoji", role: "img", "aria-label": label }, SIGNS[short]);
  if (!DRAWN[short]) return h("span", { class: "emoji-name" }, `:${short}:`);
  return svg("svg", { class: "emoji-drawn", viewBox: "0 0 20 20", role: "img", "aria-label": label }, DRAWN[short].map(build));
}

// Signs that cannot be drawn by a font become shortcodes, which are then drawn.
export const named = (text) => NATIVE ? text : text.replace(GLYPH, (sign) => {
  const name = NAMES.get(sign) || NAMES.get(`${sign}\uFE0F`) || NAMES.get(sign.replace("\uFE0F", ""));
  return name ? `:${name}:` : sign;
});

// Shortcodes where only text can stand, such as an option of a select.
export const inText = (text) => named(text).replace(/:([a-z0-9_+'-]+):/g, (whole, name) => (SIGNS[name] ? (NATIVE ? SIGNS[name] : "") : whole)).trim();
