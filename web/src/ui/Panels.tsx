// The tabs: the loss over time, the gradient's way down, each unit, a slice of the loss, and the network's settings.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Parameters } from "../core/network";
import { passes } from "../core/training";
import { say } from "../mathml";
import { differences, now, place, playing, rival, run, spot, tab, theme, type Run, type Tab } from "../state";
import { shortNumber } from "./Bar";
import { diverging } from "./colors";
import { Settings } from "./Settings";

const TABS: [Tab, string][] = [["loss", "Loss"], ["flow", "Gradient flow"], ["units", "Units"], ["path", "Path"], ["network", "Settings"]];

export function Panels() {
  const turn = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!by) return;
    const at = TABS.findIndex(([name]) => name === tab.value);
    tab.value = TABS[(at + by + TABS.length) % TABS.length]![0];
    (event.currentTarget as HTMLElement).querySelectorAll("button")[(at + by + TABS.length) % TABS.length]?.focus();
    event.preventDefault();
  };
  return (
    <section class="panel tabs" aria-label="Views">
      <div role="tablist" aria-label="Views" onKeyDown={turn}>
        {TABS.map(([name, title]) => <button type="button" role="tab" id={`tab-${name}`} aria-selected={tab.value === name} aria-controls="view" tabIndex={tab.value === name ? 0 : -1} onClick={() => (tab.value = name)}>{title}</button>)}
      </div>
      <div id="view" role="tabpanel" aria-labelledby={`tab-${tab.value}`} tabIndex={0}>
        {tab.value === "loss" && <Loss />}
        {tab.value === "flow" && <Flow />}
        {tab.value === "units" && <Units />}
        {tab.value === "path" && <Path />}
        {tab.value === "network" && <Settings />}
      </div>
    </section>
  );
}

const [W, H] = [520, 190];
const LEFT = 52;

function Loss() {
  const runs = [run.value, rival.value].filter((one): one is Run => one !== null);
  const curves = runs.map((one, k) => {
    const last = k === 0 ? now.value.scene?.grad.loss : undefined;
    return last === undefined || !Number.isFinite(last) ? one.losses : [...one.losses, last];
  });
  const all = curves.flat().filter(Number.isFinite);
  const positive = all.length > 1 && Math.min(...all) > 0 && Math.max(...all) / Math.min(...all) > 20;
  const to = (v: number) => (positive ? Math.log10(v) : v);
  const [low, high] = [Math.min(...all.map(to)), Math.max(...all.map(to))];
  const longest = Math.max(2, ...curves.map((c) => c.length));
  const y = (v: number) => 12 + (1 - (to(v) - low) / (high - low || 1)) * (H - 40);
  const x = (k: number) => LEFT + (k / (longest - 1)) * (W - LEFT - 12);
  return (
    <div>
      {rival.value && <p class="differs">{differs()}</p>}
      <svg class="plot" viewBox={`0 0 ${W} ${H}`} role="img" aria-label="The cost over the epochs; the table below has its numbers">
        {all.length > 0 && <text class="axis" x={4} y={y(positive ? 10 ** high : high) + 4}>{shortNumber(positive ? 10 ** high : high)}</text>}
        {high > low && <text class="axis" x={4} y={y(positive ? 10 ** low : low) + 4}>{shortNumber(positive ? 10 ** low : low)}</text>}
        <line class="rule" x1={LEFT} y1={H - 22} x2={W - 10} y2={H - 22} />
        <text class="axis" x={LEFT} y={H - 6}>epoch 0</text>
        <text class="axis end" x={W - 12} y={H - 6}>{longest - 1}{positive ? ", log scale" : ""}</text>
        {curves.map((c, k) => (
          <>
            <path class={`curve s${k + 1}${k ? " dashed" : ""}`} d={sampled(c).map(([at, v], n) => `${n ? "L" : "M"} ${x(at).toFixed(1)} ${y(v).toFixed(1)}`).join(" ")} />
            {c.length > 0 && all.length > 0 && <circle class={`dot s${k + 1}`} cx={x(c.length - 1)} cy={Number.isFinite(y(c.at(-1)!)) ? y(c.at(-1)!) : 0} r={4} />}
          </>
        ))}
      </svg>
      <table class="small"><thead><tr><th scope="col">network</th><th scope="col">epoch</th><th scope="col">cost at first</th><th scope="col">cost now</th></tr></thead>
        <tbody>{runs.map((one, k) => <tr><th scope="row">{k ? "B" : rival.value ? "A" : one.name}</th><td>{one.t}</td><td>{shortNumber(curves[k]![0])}</td><td>{shortNumber(curves[k]!.at(-1))}</td></tr>)}</tbody></table>
      {curves[0]!.length < 2 && <p class="soft">Press Train, and the cost is drawn as it falls.</p>}
    </div>
  );
}

function differs(): string {
  const found = differences(run.value.loaded, rival.value!.loaded);
  return found.length ? `A and B start alike but differ in ${found.slice(0, 6).join("; ")}${found.length > 6 ? ` and ${found.length - 6} more` : ""}.` : "A and B are the same: give B another activation, optimizer or learning rate in Settings.";
}

/** At most 300 points of a curve, its last among them. */
function sampled(values: number[]): [number, number][] {
  const every = Math.max(1, Math.floor(values.length / 300));
  return values.map((v, k): [number, number] => [k, v]).filter(([k, v]) => Number.isFinite(v) && (k % every === 0 || k === values.length - 1));
}

/** Root mean square of the numbers. */
const rms = (d: Float64Array): number => Math.sqrt(d.reduce((s, v) => s + v * v, 0) / d.length);

function flowOf(one: Run, first: boolean) {
  const { problem, t } = one;
  const made = first && now.value.scene ? now.value.scene : passes(problem, problem.params, t);
  return problem.net.layers.map((layer, k) => {
    const u = made.trace.u[k + 1]!;
    const slope = layer.activation.slope(u);
    const columns = Array.from({ length: u.n }, (_, j) => Array.from({ length: u.m }, (_, i) => Math.abs(slope.at(i, j))));
    const dead = columns.filter((column) => column.every((v) => v === 0)).length / u.n;
    const saturated = /sigmoid|tanh|softsign/.test(layer.activation.name) ? slope.d.filter((v) => v < 0.05).length / slope.d.length : 0;
    return { l: k + 1, delta: rms(made.grad.delta[k + 1]!.d), weight: rms(made.grad.flat.W[k + 1]!.d), dead, saturated };
  });
}

function Flow() {
  const runs = [run.value, rival.value].filter((one): one is Run => one !== null);
  const flows = runs.map((one, k) => flowOf(one, k === 0));
  const logs = flows.flat().map((f) => Math.log10(f.delta)).filter(Number.isFinite);
  const [high, low] = [Math.max(...logs, -300), Math.min(...logs, Math.max(...logs, -300) - 1) - 0.3];
  const share = (v: number) => (v > 0 ? Math.max(0.02, (Math.log10(v) - low) / (high - low || 1)) : 0);
  return (
    <div>
      <p class="soft">How large δ and ∂C/∂W are in each layer (root mean square of their numbers; bars on a log scale): the gradient's way from the output down. A factor far below 1 at each layer vanishes, far above 1 explodes.</p>
      {flows.map((flow, which) => (
        <div class="scroll" tabIndex={0} role="group" aria-label={`Gradient flow${which ? " of B" : ""}`}>
          <table class="flow">
            {(which > 0 || rival.value) && <caption>{which ? "B" : "A"}</caption>}
            <thead><tr><th scope="col">layer</th><th scope="col">δ</th><th scope="col"><span class="sr">as a bar</span></th><th scope="col">× above</th><th scope="col">∂C/∂W</th><th scope="col">dead</th><th scope="col">saturated</th></tr></thead>
            <tbody>
              {[...flow].reverse().map((f) => (
                <tr><th scope="row">{f.l}</th><td class="num">{say(f.delta, 4)}</td>
                  <td class="bar-cell"><span class={which ? "meter b" : "meter"} style={{ width: `${100 * share(f.delta)}%` }} /></td>
                  <td class="num">{f.l === flow.length ? "" : say(f.delta / flow[f.l]!.delta, 3)}</td><td class="num">{say(f.weight, 4)}</td>
                  <td class="num">{percent(f.dead)}</td><td class="num">{percent(f.saturated)}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </div>
  );
}

const percent = (v: number): string => `${Math.round(100 * v)} %`;

function Units() {
  const { problem } = run.value;
  const { scene } = now.value;
  const chosen = useSignal(1);
  const l = Math.min(chosen.value, problem.net.L);
  const layer = problem.net.layer(l);
  if (!scene) return <p>{now.value.error}</p>;
  const u = scene.trace.u[l]!;
  const j = Math.min(spot.value.j, layer.units - 1);
  const column = Array.from({ length: u.m }, (_, i) => u.at(i, j));
  const slope = layer.activation.slope(u);
  const MOST = 40;
  return (
    <div>
      <p><label>Layer <select value={l} onChange={(e) => (chosen.value = Number(e.currentTarget.value))}>{problem.net.layers.map((one, k) => <option value={k + 1}>{k + 1} · {one.activation.name}</option>)}</select></label> {layer.norm && <span class="soft">u is z after {layer.norm} norm</span>}</p>
      {!layer.activation.pullBack && <Curve layer={layer} column={column} name={`unit ${j + 1}`} />}
      <div class="scroll" tabIndex={0} role="group" aria-label="Units of the layer">
        <table>
          <thead><tr><th scope="col">unit</th><th scope="col">u</th><th scope="col">φ′(u)</th><th scope="col">a</th><th scope="col">δ</th><th scope="col">state</th></tr></thead>
          <tbody>
            {Array.from({ length: Math.min(MOST, layer.units) }, (_, k) => {
              const i = spot.value.i;
              const slopes = Array.from({ length: u.m }, (_, r) => Math.abs(slope.at(r, k)));
              const state = slopes.every((v) => v === 0) ? "dead for all examples" : slopes.every((v) => v < 0.05) ? "saturated" : "alive";
              return <tr aria-current={k === j ? "true" : undefined}><th scope="row"><button type="button" aria-label={`Open unit ${k + 1}`} onClick={() => (place.value = { ...place.value, j: k })}>{k + 1}</button></th><td class="num">{say(u.at(i, k))}</td><td class="num">{say(slope.at(i, k))}</td><td class="num">{say(scene.trace.a[l]!.at(i, k))}</td><td class="num">{say(scene.grad.delta[l]!.at(i, k))}</td><td>{state}</td></tr>;
            })}
          </tbody>
        </table>
      </div>
      {layer.units > MOST && <p class="soft">The first {MOST} of {layer.units} units are listed.</p>}
    </div>
  );
}

function Curve({ layer, column, name }: { layer: Run["problem"]["net"]["layers"][number]; column: number[]; name: string }) {
  const reach = Math.min(20, Math.max(4, ...column.map(Math.abs).filter(Number.isFinite)) * 1.1);
  const grid = Array.from({ length: 121 }, (_, k) => -reach + (k / 120) * 2 * reach);
  const of = (values: number[], f: "forward" | "slope") => { const M = values.map((v) => [v]); return Array.from(layer.activation[f](matOf(M)).d); };
  const [phi, slope] = [of(grid, "forward"), of(grid, "slope")];
  const clip = (v: number) => Math.max(-6, Math.min(6, v));
  const all = [...phi, ...slope].map(clip);
  const [low, high] = [Math.min(...all, 0), Math.max(...all, 1)];
  const x = (v: number) => 10 + ((v + reach) / (2 * reach)) * (W - 20);
  const y = (v: number) => 10 + (1 - (clip(v) - low) / (high - low)) * (H - 40);
  const path = (values: number[]) => values.map((v, k) => `${k ? "L" : "M"} ${x(grid[k]!).toFixed(1)} ${y(v).toFixed(1)}`).join(" ");
  const here = of(column, "forward");
  return (
    <svg class="plot" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`φ (line) and its slope (dashed), with the u of ${name} for each example; numbers are in the table`}>
      <line class="rule" x1={10} y1={y(0)} x2={W - 10} y2={y(0)} />
      <line class="rule" x1={x(0)} y1={8} x2={x(0)} y2={H - 26} />
      <path class="curve s1" d={path(phi)} /><path class="curve s2 dashed" d={path(slope)} />
      {column.slice(0, 300).map((v, i) => Number.isFinite(here[i]) && <circle class="dot s1" cx={x(Math.max(-reach, Math.min(reach, v)))} cy={y(here[i]!)} r={i === spot.value.i ? 6 : 3} />)}
      <text class="axis" x={12} y={H - 6}>u = {say(-reach, 2)}</text><text class="axis end" x={W - 12} y={H - 6}>{say(reach, 2)}; line φ, dashed φ′</text>
    </svg>
  );
}

import { Mat } from "../core/matrix";
const matOf = (rows: number[][]): Mat => Mat.from(rows);

/** A slice of the cost through two directions of theta, with the way that training took, laid into it. */
function Path() {
  const mode = useSignal<"weights" | "directions">("weights");
  const first = useSignal(0);
  const second = useSignal(1);
  const canvas = useRef<HTMLCanvasElement>(null);
  const looks = theme.value;
  const { problem, trail, t } = run.value;
  const theta = problem.params.theta;
  const size = theta.length;
  const slots = problem.params.slots;
  const name = (e: number) => { const slot = slots.find((one) => e >= one.start && e < one.start + one.rows * one.columns)!; const at = e - slot.start; return `${{ W: "W", b: "b", gamma: "γ", beta: "β" }[slot.name]} of layer ${slot.l} [${Math.floor(at / slot.columns) + 1}${slot.name === "W" ? `,${(at % slot.columns) + 1}` : ""}]`; };
  const [e1, e2] = [Math.min(first.value, size - 1), Math.min(second.value, size - 1)];
  const directions = mode.value === "directions" && trail.length > 2 ? mainDirections(trail) : [axis(size, e1), axis(size, e2)];
  const [d1, d2] = directions as [Float64Array, Float64Array];
  const points = trail.map((at) => [dot(at, theta, d1), dot(at, theta, d2)] as [number, number]).filter((at) => at.every(Number.isFinite));
  const reach = Math.max(1, ...points.flat().map((v) => Math.abs(v) * 1.2).filter(Number.isFinite));
  const N = playing.value === "train" ? 12 : 32;
  useEffect(() => {
    if (!canvas.current || playing.value === "train") return;
    const costs = new Float64Array(N * N).map((_, k) => {
      const [c, r] = [((k % N) + 0.5) / N, (Math.floor(k / N) + 0.5) / N];
      const at = theta.map((v, e) => v + (2 * c - 1) * reach * d1[e]! + (1 - 2 * r) * reach * d2[e]!);
      try { return passes(problem, new Parameters(problem.net, at), t).grad.loss; } catch { return NaN; }
    });
    const logs = costs.map((v) => Math.log(v - Math.min(...costs.filter(Number.isFinite)) + 1e-6 + 0.02 * Math.abs(median(costs))));
    const finite = logs.filter(Number.isFinite);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const context = canvas.current.getContext("2d")!;
    const image = context.createImageData(N, N);
    const color = diverging(canvas.current);
    logs.forEach((v, k) => { const level = Math.round(12 * ((v - low) / (high - low || 1))) / 12; image.data.set([...color(1 - 2 * level), 255], 4 * k); });
    context.putImageData(image, 0, 0);
  }, [theta, mode.value, e1, e2, N, looks, reach, playing.value]);
  const to = (v: number, up = false) => 100 + (up ? -1 : 1) * (v / reach) * 100;
  const chooser = (value: number, set: (e: number) => void, label: string) => <label>{label} <select value={value} onChange={(e) => set(Number(e.currentTarget.value))}>{Array.from({ length: Math.min(size, 200) }, (_, e) => <option value={e}>{name(e)}</option>)}</select></label>;
  return (
    <div class="path">
      <p><label>Through <select value={mode.value} onChange={(e) => (mode.value = e.currentTarget.value as "weights" | "directions")}><option value="weights">two parameters</option><option value="directions">the two main directions of the way</option></select></label></p>
      {mode.value === "weights" ? <p>{chooser(e1, (e) => (first.value = e), "across")} {chooser(e2, (e) => (second.value = e), "up")}</p> : trail.length <= 2 && <p class="soft">There is no way yet: train first. Until then the slice is through two parameters.</p>}
      <div class="slice">
        <canvas ref={canvas} width={N} height={N} aria-hidden="true" />
        <svg viewBox="0 0 200 200" role="img" aria-label={`A slice of the cost around the present parameters, ${say(reach, 2)} to each side; the way of training has ${points.length} points, from ${points[0] ? points[0].map((v) => say(v, 3)).join(", ") : ""} to 0, 0`}>
          <path class="way" d={points.map(([a, b], k) => `${k ? "L" : "M"} ${to(a).toFixed(1)} ${to(b, true).toFixed(1)}`).join(" ")} />
          <circle class="here" cx={100} cy={100} r={4} />
        </svg>
      </div>
      <p class="soft">A slice: the cost where only these two move (blue is low), all other parameters as they are now; the line is the way of training, seen from there. A point on it lies in the slice only where the others were the same.</p>
    </div>
  );
}

const axis = (n: number, e: number): Float64Array => { const d = new Float64Array(n); d[e] = 1; return d; };
const dot = (a: Float64Array, b: Float64Array, d: Float64Array): number => a.reduce((s, v, k) => s + (v - b[k]!) * d[k]!, 0);
const median = (values: Float64Array): number => [...values].filter(Number.isFinite).sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** The two directions in which a trajectory is longest, by power iteration on its points' differences from the last. */
function mainDirections(trail: Float64Array[]): [Float64Array, Float64Array] {
  const last = trail.at(-1)!;
  const rows = trail.slice(0, -1).map((at) => at.map((v, k) => v - last[k]!));
  const find = (off: Float64Array | null): Float64Array => {
    let d = last.map((_, k) => Math.sin(k + (off ? 2 : 1)));
    for (let round = 0; round < 60; round++) {
      if (off) { const along = inner(d, off); d = d.map((v, k) => v - along * off[k]!); }
      const next = new Float64Array(d.length);
      for (const row of rows) { const c = inner(row, d); for (let k = 0; k < d.length; k++) next[k]! += c * row[k]!; }
      const size = Math.sqrt(inner(next, next));
      if (!(size > 1e-300)) break;
      d = next.map((v) => v / size);
    }
    if (off) { const along = inner(d, off); d = d.map((v, k) => v - along * off[k]!); }
    const size = Math.sqrt(inner(d, d)) || 1;
    return d.map((v) => v / size);
  };
  const first = find(null);
  return [first, find(first)];
}
const inner = (a: Float64Array, b: Float64Array): number => a.reduce((s, v, k) => s + v * b[k]!, 0);
