// Talks to the workspace: readings, verbs, and the stream of changes.

import { toast } from "./dom.js";

export async function read(path, query = {}) {
  const answer = await fetch(`/local/${path}?${new URLSearchParams(query)}`, { cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
  return answer.json();
}

export async function verb(name, body) {
  const answer = await fetch(`/local/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-local": "1" },
    body: JSON.stringify(body),
  });
  const found = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) {
    toast(`That did not work: ${found.messages?.[0] || found.error}`, "bad");
    throw new Error(found.error);
  }
  return found.result;
}

// Calls `heard` on every change; polls while the stream is down.
export function listen(heard) {
  let polling = null;
  const source = new EventSource("/local/events");
  source.onmessage = (event) => heard(JSON.parse(event.data));
  source.onopen = () => {
    clearInterval(polling);
    polling = null;
    heard({ kind: "reconnected" });
  };
  source.onerror = () => {
    polling ??= setInterval(() => heard({ kind: "reconnected" }), 3000);
  };
}
