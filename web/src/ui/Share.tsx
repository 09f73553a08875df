// Share: a link that holds the state, the problem as a file, and the same as a command or as Python.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { asCommand, asPython, linked, LONGEST } from "../share";
import { load, message, problemNow, run } from "../state";

export const sharing = signal(false);
const link = signal("");
const copied = signal("");

async function copy(what: string, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    copied.value = `${what} is copied.`;
  } catch {
    copied.value = `This browser does not let a page copy; ${what.toLowerCase()} stands in the field.`;
  }
  link.value = text;
}

function download(): void {
  const blob = new Blob([JSON.stringify(problemNow(), null, 1) + "\n"], { type: "application/json" });
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = "problem.json";
  anchor.click();
  URL.revokeObjectURL(anchor.href);
}

async function open(file: File | undefined): Promise<void> {
  if (!file) return;
  try {
    load(JSON.parse(await file.text()), file.name.replace(/\.json$/, ""));
    message.value = "";
  } catch (error) {
    message.value = `${file.name}: ${(error as Error).message}`;
  }
}

export function Share() {
  const shown = sharing.value;
  const problem = run.value.problem;
  useEffect(() => {
    if (!shown) return;
    void linked().then((hash) => {
      link.value = hash.length <= LONGEST ? location.href.replace(/#.*$/, "") + hash : "";
      copied.value = link.value ? "" : `The state is longer than a link may be (${hash.length} letters): download it as a file.`;
    });
  }, [shown, problem]);
  if (!shown) return null;
  return (
    <section class="panel share" aria-label="Share">
      <h2>Share</h2>
      <p><label>Link, text or command <input type="text" readOnly value={link.value} class="wide" onFocus={(e) => e.currentTarget.select()} /></label></p>
      <p class="row">
        <button type="button" disabled={!link.value} onClick={() => void linked().then((hash) => copy("The link", location.href.replace(/#.*$/, "") + hash))}>Copy link</button>
        <button type="button" onClick={() => void copy("The Python code", asPython())}>Copy as Python</button>
        <button type="button" onClick={() => void copy("The command", asCommand())}>Copy as command</button>
        <button type="button" onClick={download}>Download problem.json</button>
        <label class="file">Open a problem file <input type="file" accept=".json" onChange={(e) => void open(e.currentTarget.files?.[0])} /></label>
      </p>
      <p role="status" class="soft">{copied.value}</p>
    </section>
  );
}
