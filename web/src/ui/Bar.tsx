// The bar on top: what is open, the steps, training, and what one does with the whole.

import { useEffect } from "preact/hooks";
import { library, openPreset } from "../library";
import { advance, canUndo, compare, current, go, list, now, oneStep, open, openStep, playing, predicting, reset, revealed, rival, run, speed, theme, train, undo, type Theme } from "../state"; // prettier-ignore
import { sharing } from "./Share";

const reduced = () => globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
const PACES = [1, 1, 2, 5, 20]; // optimizer steps a frame, by speed; at the slowest one each third frame

export function Bar() {
  usePlaying();
  const { t, losses, name } = run.value;
  const last = list.value.length - 1;
  const at = Math.min(open.value, last);
  return (
    <header class="bar">
      <label class="preset">
        <span class="sr">Open a network</span>
        <select value={name} onChange={(event) => openNamed(event.currentTarget.value)}>
          {!library.presets.some((one) => one.name === name) && <option value={name}>{name}</option>}
          {library.presets.map((one) => (
            <option value={one.name} title={one.words}>{one.name}</option>
          ))}
        </select>
      </label>
      <div class="group" role="group" aria-label="Steps">
        <Icon name="First step" sign="first" act={() => go(0)} off={at <= 0} />
        <Icon name="Previous step" sign="back" act={() => go(at - 1)} off={at <= 0} />
        <span class="count">step {at + 1}/{last + 1}</span>
        <Icon name="Next step" sign="next" act={() => go(at + 1)} off={at >= last} strong />
        <Icon name="Last step" sign="last" act={() => go(last)} off={at >= last} />
        <button type="button" aria-pressed={playing.value === "watch"} onClick={watch} title="Step through by itself">
          {playing.value === "watch" ? "Stop" : "Watch"}
        </button>
      </div>
      <div class="group" role="group" aria-label="Training">
        <button type="button" class="strong" onClick={train}><Shape of={playing.value === "train" ? "pause" : "next"} /> {playing.value === "train" ? "Pause" : "Train"}</button>
        <button type="button" onClick={oneStep} title="Take one optimizer step on all examples">+1 epoch</button>
        <label class="speed">speed <input type="range" min="0" max="4" value={speed.value} onInput={(e) => (speed.value = Number(e.currentTarget.value))} /></label>
        <span class="count" title="Optimizer steps on all examples">epoch {t}</span>
        <span class="count cost">C {shortNumber(now.value.scene?.grad.loss ?? losses.at(-1))}</span>
      </div>
      <div class="group" role="group" aria-label="More">
        <button type="button" onClick={undo} disabled={!canUndo.value}>Undo</button>
        <button type="button" onClick={reset} title="The loaded numbers again">Reset</button>
        <button type="button" aria-pressed={predicting.value} onClick={() => { predicting.value = !predicting.value; revealed.value = false; }} title="Ask me for each number before it is shown">Predict</button>
        <button type="button" aria-pressed={rival.value !== null} onClick={compare}>Compare</button>
        <button type="button" aria-expanded={sharing.value} onClick={() => (sharing.value = !sharing.value)}>Share</button>
        <Icon name={`Theme: ${theme.value}`} sign="theme" act={nextTheme} />
      </div>
    </header>
  );
}

const SHAPES: Record<string, string> = {
  first: "M2 2h2.5v12H2z M14 2v12L5 8z",
  back: "M12 2v12L3 8z",
  next: "M4 2v12l9-6z",
  last: "M11.5 2H14v12h-2.5z M2 2v12l9-6z",
  pause: "M3 2h4v12H3z M9 2h4v12H9z",
  theme: "M8 1a7 7 0 100 14A7 7 0 008 1zm0 2v10A5 5 0 018 3z",
};

const Shape = ({ of }: { of: string }) => (
  <svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true"><path d={SHAPES[of]} fill="currentColor" /></svg>
);

function Icon({ name, sign, act, off = false, strong = false }: { name: string; sign: string; act: () => void; off?: boolean; strong?: boolean }) {
  return (
    <button type="button" class={strong ? "icon strong" : "icon"} aria-label={name} title={name} onClick={act} disabled={off}>
      <Shape of={sign} />
    </button>
  );
}

export const shortNumber = (value: number | undefined): string =>
  value === undefined ? "–" : Number(value.toPrecision(4)).toString().replace("-", "−");

function openNamed(name: string): void {
  const preset = library.presets.find((one) => one.name === name);
  if (preset) openPreset(preset);
}

function nextTheme(): void {
  const order: Theme[] = ["auto", "light", "dark"];
  theme.value = order[(order.indexOf(theme.value) + 1) % 3]!;
}

function watch(): void {
  if (playing.value === "watch") playing.value = "no";
  else {
    if (open.value >= list.value.length - 1) openStep(0);
    playing.value = "watch";
  }
}

/** Trains frame by frame, or walks through the steps. */
function usePlaying(): void {
  const mode = playing.value;
  useEffect(() => {
    if (mode === "watch") {
      const wait = reduced() ? 4000 : 2200;
      const timer = setInterval(() => {
        if (open.value >= list.value.length - 1) playing.value = "no";
        else openStep(open.value + 1);
      }, wait);
      return () => clearInterval(timer);
    }
    if (mode !== "train") return undefined;
    let frame = 0;
    let count = 0;
    const turn = () => {
      count += 1;
      if (speed.value > 0 || count % 6 === 0) advance(PACES[speed.value]!);
      if (playing.value === "train") frame = requestAnimationFrame(turn);
    };
    frame = requestAnimationFrame(turn);
    return () => cancelAnimationFrame(frame);
  }, [mode]);
}

export const stepName = (): string => current.value?.title ?? "";
