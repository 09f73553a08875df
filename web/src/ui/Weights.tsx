// The numbers that can be edited: one parameter, by name, with a slider.

import { computed, signal } from "@preact/signals";
import { say } from "../mathml";
import type { Name } from "../core/network";
import { now, predicting, revealed, run, setParameter } from "../state";

export const picked = signal<{ name: Name; l: number; j: number; k: number }>({ name: "W", l: 1, j: 0, k: 0 });

/** The place in theta of what is picked, within the network that there is. */
const chosen = computed(() => {
  const { params } = run.value.problem;
  const { name, l, j, k } = picked.value;
  const slot = params.slots.find((one) => one.name === name && one.l === l) ?? params.slots[0]!;
  const [row, column] = [Math.min(j, slot.rows - 1), Math.min(k, slot.columns - 1)];
  return { slot, row, column, e: slot.start + row * slot.columns + column };
});

const SIGNS: Record<Name, string> = { W: "W", b: "b", gamma: "γ", beta: "β" };

export function Weights() {
  const { params } = run.value.problem;
  const { slot, row, column, e } = chosen.value;
  const value = params.theta[e]!;
  const gradient = now.value.scene?.grad.flat.theta[e];
  const pick = (change: Partial<typeof picked.value>) =>
    (picked.value = { name: slot.name, l: slot.l, j: row, k: column, ...change });
  const reach = Math.max(2, Math.ceil(Math.abs(value) * 1.5));
  return (
    <form class="edit" aria-label="Edit a number" onSubmit={(event) => event.preventDefault()}>
      <label>Edit{" "}
        <select aria-label="Which tensor" value={`${slot.name} ${slot.l}`} onChange={(event) => { const [name, l] = event.currentTarget.value.split(" "); pick({ name: name as Name, l: Number(l), j: 0, k: 0 }); }}>
          {params.slots.map((one) => <option value={`${one.name} ${one.l}`}>{SIGNS[one.name]} of layer {one.l}</option>)}
        </select>
      </label>
      <label>unit <input type="number" min="1" max={slot.rows} value={row + 1} onChange={(event) => pick({ j: clamp(event.currentTarget.value, slot.rows) })} /></label>
      {slot.name === "W" && <label>from <input type="number" min="1" max={slot.columns} value={column + 1} onChange={(event) => pick({ k: clamp(event.currentTarget.value, slot.columns) })} /></label>}
      <label class="wide">value <input class="number" type="number" step="any" value={value} onChange={(event) => setParameter(e, event.currentTarget.valueAsNumber)} /></label>
      <input type="range" aria-label="Value, by slider" min={-reach} max={reach} step={reach / 200} value={value} onChange={(event) => setParameter(e, Number(event.currentTarget.value))} />
      <output>{gradient === undefined || (predicting.value && !revealed.value) ? "" : `∂C/∂${SIGNS[slot.name]} ${say(gradient)}: ${Math.abs(gradient) < 1e-15 ? "a small change changes nothing" : gradient > 0 ? "lower it to lower the cost" : "raise it to lower the cost"}`}</output>
    </form>
  );
}

const clamp = (text: string, most: number): number => Math.max(0, Math.min(most - 1, Number(text) - 1)) || 0;
