import { effect } from "@preact/signals";
import { render as show } from "preact";
import { library, type Library } from "./library";
import { load, message, problemNow, quantitiesNow } from "./state";
import { linked, unlinked } from "./share";
import { code, serve } from "./worker";
import { App } from "./ui/App";
import css from "./style.css";

export { describe } from "./describe";
export { read, write } from "./core/problem";
export { quantities } from "./core/training";
export { LEFT_OUT } from "./left_out";
export { verdict } from "./ui/StepView";

interface Opened extends Partial<Library> {
  problem?: unknown;
  name?: string;
}

/** Show the explorer in an element, and give programs their handles. */
export function mount(element: HTMLElement, opened: Opened = {}): () => void {
  Object.assign(library, { presets: opened.presets ?? [], mistakes: opened.mistakes ?? {} });
  load(opened.problem, opened.name ?? "problem");
  Object.assign(globalThis, {
    backlit: { problem: problemNow, quantities: quantitiesNow, load: (problem: unknown) => load(problem), share: linked },
  });
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  show(<App />, element);
  return () => {
    show(null, element);
    style.remove();
  };
}

/** Take the state from the page's link, now and whenever it changes. */
function followHash(): void {
  const follow = () => {
    if (!location.hash.startsWith("#v1:")) return;
    unlinked(location.hash).catch((error: Error) => (message.value = error.message));
  };
  addEventListener("hashchange", follow);
  follow();
}

/** A notebook's widget (anywidget): the problem comes with the model, and goes back with it. */
export default {
  render({ model, el }: { model: { get(key: string): unknown; set(key: string, value: unknown): void; save_changes(): void }; el: HTMLElement }) {
    code.text = String(model.get("_esm"));
    const inside = document.createElement("div");
    el.append(inside);
    const stop = mount(inside, model.get("opened") as Opened);
    let timer = 0;
    const unfollow = effect(() => {
      const problem = problemNow();
      clearTimeout(timer);
      timer = globalThis.setTimeout(() => { model.set("current", problem); model.save_changes(); }, 300);
    });
    return () => { unfollow(); stop(); };
  },
};

if ("WorkerGlobalScope" in globalThis) serve();
if (typeof document !== "undefined") {
  const root = document.getElementById("backlit-explorer");
  const data = document.getElementById("backlit-problem");
  if (root) {
    code.text = document.getElementById("backlit-script")?.textContent ?? "";
    mount(root, data ? (JSON.parse(data.textContent ?? "{}") as Opened) : {});
    followHash();
  }
}
