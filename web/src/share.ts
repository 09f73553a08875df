// The state as a link, #v1: and base64url of deflated JSON; and as code.  State is data, never HTML.

import { fail, isObject } from "./core/checks";
import { write } from "./core/problem";
import { load, open, place, problemNow, rival, run, tab, type Tab } from "./state";

export const LONGEST = 8000;
const MOST = 5e6; // bytes that a link may unfold to

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  writer.write(bytes as BufferSource).then(() => writer.close()).catch(() => undefined); // what fails, fails for the reader
  const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST) fail("the link holds more than a page takes");
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}

/** The hash of the present state. */
export async function linked(): Promise<string> {
  const state = { problem: problemNow(), name: run.value.name, view: { open: open.value, place: place.value, tab: tab.value }, ...(rival.value && { rival: write(rival.value.loaded) }) };
  const packed = await through(new TextEncoder().encode(JSON.stringify(state)), new CompressionStream("deflate-raw"));
  const text = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
  return "#v1:" + text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Open the state of a hash; throws an Error of one sentence. */
export async function unlinked(hash: string): Promise<void> {
  let state: unknown;
  try {
    const text = atob(hash.slice(4).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    state = JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw"))));
  } catch {
    fail("the link is cut short or changed: ask for it again");
  }
  if (!isObject(state)) return fail("the link holds no state: ask for it again");
  load(state.problem, typeof state.name === "string" ? state.name.slice(0, 60) : "shared", state.rival ?? null);
  const view = isObject(state.view) ? state.view : {};
  const count = (value: unknown): number => (typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : 0);
  open.value = count(view.open);
  if (isObject(view.place)) place.value = { i: count(view.place.i), j: count(view.place.j), k: count(view.place.k) };
  if (["loss", "flow", "units", "path", "network"].includes(view.tab as string)) tab.value = view.tab as Tab;
}

export function asPython(): string {
  const python = JSON.stringify(problemNow(), null, 1).replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");
  return `import backlit\n\nproblem = ${python}\n\nprint(backlit.explain(problem))\n`;
}

export function asCommand(): string {
  return `cat > problem.json <<'END'\n${JSON.stringify(problemNow())}\nEND\nbacklit explain problem.json\n`;
}
