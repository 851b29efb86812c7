// The page: who acts, where they are, what they see, and live updates.

import { listen, read, verb } from "./api.js";
import { byId, h, put, toast } from "./dom.js";
import { Modal } from "./modal.js";
import { knowNames } from "./mrkdwn.js";
import { drawSidebar } from "./sidebar.js";
import { drawThread, Screen } from "./screen.js";
import { quickSwitch } from "./switcher.js";

const PERSON = "person";
const seenKey = (me) => `seen-${me}`;

function stored(area, key, otherwise) {
  try {
    return JSON.parse(area.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function routeOf(hash) {
  const [, first = "", second = ""] = hash.replace(/^#/, "").split("/");
  if (first === "mail") return { kind: "mail", mail: second };
  if (first === "dm" || first === "home") return { kind: first, ts: second };
  return first ? { kind: "channel", channel: first, ts: second } : { kind: "home" };
}

class App {
  constructor() {
    this.me = stored(sessionStorage, PERSON, null) ?? stored(localStorage, PERSON, "");
    this.route = routeOf(location.hash);
    this.thread = null;
    this.modal = new Modal(this);
    this.loading = new Map();
    this.screen = new Screen(this);
  }

  async start() {
    this.theme(stored(localStorage, "theme", ""));
    this.know(await read("state", { user: this.me }));
    addEventListener("hashchange", () => this.go());
    addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        this.quickSwitch();
      } else if (event.key === "Escape" && !document.querySelector("dialog[open], .menu")) this.openThread(null);
    });
    await this.go();
    await this.load("modal");
    listen((change) => this.heard(change));
    document.body.dataset.ready = "true";
  }

  // -- loading; calls that come in while one is under way are folded into one more

  async load(what) {
    if (this.loading.has(what)) return this.loading.set(what, "again");
    this.loading.set(what, "now");
    try {
      do {
        this.loading.set(what, "now");
        await this[`load_${what}`]();
      } while (this.loading.get(what) === "again");
    } catch (failed) {
      // The server may just be restarting; the stream reloads everything when it is back.
      console.debug(`could not load ${what}: ${failed.message}`);
    } finally {
      this.loading.delete(what);
    }
  }

  async load_overview() {
    const overview = await this.mine("state");
    if (overview) this.know(overview);
  }

  // Reads something of the person acting; nothing when they switched to another meanwhile.
  async mine(what) {
    const { me } = this;
    const found = await read(what, { user: me });
    return me === this.me ? found : null;
  }

  know(overview) {
    this.overview = overview;
    this.me = overview.me;
    const { people, channels, bot, team } = this.overview;
    knowNames(new Map([...people.map((each) => [each.id, each.real_name]), [bot.id, bot.name]]), new Map(channels.map((each) => [each.id, each.name])));
    document.title = `${bot.name} · ${team.name}`;
    drawSidebar(byId("sidebar"), this);
  }

  async load_conversation() {
    const channel = this.channel;
    if (!channel) return;
    const known = this.conversation?.channel === channel ? this.conversation : null;
    const { me } = this;
    const found = await read("messages", { channel, user: me });
    if (channel !== this.channel || me !== this.me) return;
    this.conversation = { channel, ...found };
    this.markSeen(channel, found.messages);
    this.followAnswer(known, found.messages);
    this.draw();
  }

  async load_home() {
    const found = await this.mine("home");
    if (!found) return;
    this.home = found.view;
    if (this.route.kind === "home") this.screen.drawHome();
  }

  async load_modal() {
    const found = await this.mine("modal");
    if (found) this.modal.show(found.view);
  }

  async load_mail() {
    this.mails = (await read("mail")).mails;
    if (this.route.kind === "mail") this.screen.drawMail();
  }

  heard(change) {
    const mine = !change.user || change.user === this.me;
    if (change.kind === "message") this.load("overview");
    if (["message", "status"].includes(change.kind) && change.channel === this.channel) this.load("conversation");
    if (change.kind === "home" && mine) this.load("home");
    if (change.kind === "modal" && mine) this.load("modal");
    if (change.kind === "mail") this.load("mail").then(() => this.load("overview"));
    if (change.kind === "clock") this.load("overview");
    if (change.kind === "reconnected") for (const what of ["overview", "conversation", "modal"]) this.load(what);
  }

  // -- where we are

  get channel() {
    if (this.route.kind === "channel") return this.route.channel;
    return this.route.kind === "dm" ? this.overview.dm : null;
  }

  async go() {
    const before = this.channel;
    this.route = routeOf(location.hash);
    const allowed = this.route.kind !== "channel" || this.overview.channels.some((each) => each.id === this.route.channel);
    if (this.route.channel === this.overview.dm) this.route = { ...this.route, kind: "dm" };
    else if (!allowed) this.route = { kind: "home" };
    if (before !== this.channel || this.route.kind !== "channel") this.thread = null;
    this.closeSidebar();
    this.screen.frame();
    drawSidebar(byId("sidebar"), this);
    drawThread(byId("thread"), this);
    await this.open();
    if (this.route.ts) this.reveal(this.route.ts);
  }

  async open() {
    if (this.route.kind === "mail") return this.openMail();
    if (this.route.kind === "home") {
      await this.load("home");
      return verb("open_home", { user: this.me });
    }
    await this.load("conversation");
    if (this.route.kind === "dm") await verb("open_dm", { user: this.me });
  }

  async openMail() {
    await this.load("mail");
    const open = this.mails.find((mail) => mail.id === this.route.mail);
    if (open && !open.read) verb("read_mail", { id: open.id });
  }

  reveal(ts) {
    const message = this.conversation?.messages.find((each) => each.ts === ts);
    if (message?.thread_ts && message.thread_ts !== ts) this.openThread(message.thread_ts);
    const node = document.querySelector(`[data-ts="${CSS.escape(ts)}"]`);
    node?.scrollIntoView({ block: "center" });
    node?.classList.add("revealed");
  }

  openThread(ts, focus = false) {
    this.thread = ts;
    drawThread(byId("thread"), this, focus);
  }

  // An answer in a thread to what I wrote opens that thread, unless I am reading another.
  followAnswer(known, messages) {
    if (!known || this.thread) return;
    const old = new Set(known.messages.map((each) => each.ts));
    const root = (ts) => messages.find((each) => each.ts === ts);
    const answer = messages.find((each) => !old.has(each.ts) && each.user === this.overview.bot.id && each.thread_ts && root(each.thread_ts)?.user === this.me);
    if (answer) this.thread = answer.thread_ts;
  }

  draw() {
    this.screen.drawConversation();
    drawThread(byId("thread"), this);
  }

  // -- unread

  unread(channel) {
    const latest = this.overview.latest[channel];
    return Boolean(latest) && channel !== this.channel && Number(latest) > Number(stored(localStorage, seenKey(this.me), {})[channel] || 0);
  }

  markSeen(channel, messages) {
    const latest = messages.filter((each) => !each.is_ephemeral).at(-1)?.ts;
    if (latest) localStorage.setItem(seenKey(this.me), JSON.stringify({ ...stored(localStorage, seenKey(this.me), {}), [channel]: latest }));
  }

  // -- verbs

  person(id) {
    return this.overview.people.find((each) => each.id === id);
  }

  async become(id) {
    // Person and overview change together: a channel of one must not be asked for as the other.
    const overview = await read("state", { user: id });
    this.know(overview);
    sessionStorage.setItem(PERSON, JSON.stringify(id));
    localStorage.setItem(PERSON, JSON.stringify(id));
    this.conversation = null;
    this.thread = null;
    await this.go();
    await this.load("modal");
  }

  async send(text, thread_ts) {
    const command = /^(\/\S+)\s*(.*)$/s.exec(text);
    if (!command) return verb("say", { user: this.me, channel: this.channel, text, thread_ts });
    if (!this.overview.commands.some((each) => each.name === command[1])) {
      toast(`${command[1]} is not a command here.`, "bad");
      throw new Error("unknown command");
    }
    if (thread_ts) toast("Commands do not work in threads; running it in the conversation.");
    return verb("command", { user: this.me, channel: this.channel, command: command[1], text: command[2] });
  }

  act(body) {
    return verb("act", { user: this.me, ...body });
  }

  submit(view, values) {
    return verb("submit", { user: this.me, view, values });
  }

  closeModal() {
    return verb("close", { user: this.me });
  }

  react(message, name) {
    return verb("react", { user: this.me, channel: message.channel, ts: message.ts, name });
  }

  dismiss(message) {
    return verb("dismiss", { user: this.me, channel: message.channel, ts: message.ts });
  }

  async step(days) {
    await verb("clock/step", { days });
    await this.load("overview");
  }

  candidates(asked) {
    const wanted = asked.slice(1).toLowerCase();
    if (asked[0] === "/") {
      return this.overview.commands.filter((each) => each.name.startsWith(asked)).map((each) => ({ text: each.name, label: each.name, hint: each.hint }));
    }
    const { bot, people } = this.overview;
    const all = [{ text: `@${bot.name}`, label: bot.name, hint: "App", kind: "app" },
      ...people.map((each) => ({ text: `@${each.real_name}`, label: each.real_name, hint: each.title, kind: each.kind }))];
    return all.filter((each) => each.label.toLowerCase().split(" ").some((word) => word.startsWith(wanted)) || each.label.toLowerCase().startsWith(wanted));
  }

  quickSwitch() {
    quickSwitch(this);
  }

  toggleSidebar() {
    document.body.classList.toggle("sidebar-open");
  }

  closeSidebar() {
    document.body.classList.remove("sidebar-open");
  }

  toggleTheme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    this.theme(dark ? "light" : "dark");
  }

  theme(name) {
    if (!name) return;
    document.documentElement.dataset.theme = name;
    localStorage.setItem("theme", JSON.stringify(name));
  }
}

new App().start().catch((failed) => put(byId("main"), h("div", { class: "empty" }, h("p", {}, `The workspace does not answer: ${failed.message}`))));
