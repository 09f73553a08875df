// The network's settings: layers, loss, optimizer; and the same of B, where two are compared.

import tables from "../tables.json";
import { edit, editRival, rival, run } from "../state";
import { write, type ProblemFile } from "../core/problem";

type Specs = Record<string, { parameters: Record<string, number> }>;
type LayerFile = Record<string, unknown>;

const nameOf = (spec: unknown): string => (typeof spec === "string" ? spec : String((spec as { name: string }).name));

/** A number drawn for the page's own new weights; what is drawn is stored as a number. */
function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/** New weights where shapes no longer fit, or everywhere: of variance 2/(n_in + n_out), or 2/n_in below a rectifier. */
export function redraw(file: ProblemFile, all = false): void {
  const layers = file.layers as LayerFile[];
  let n = Number(file.inputs);
  for (const layer of layers) {
    const units = Number(layer.units);
    const W = layer.W as number[][] | undefined;
    const rectifier = /relu|elu|silu|mish|softplus/.test(nameOf(layer.activation));
    const size = Math.sqrt(rectifier ? 2 / n : 2 / (n + units));
    if (all || !W || W.length !== units || W[0]?.length !== n) {
      layer.W = Array.from({ length: units }, () => Array.from({ length: n }, () => Number((size * normal()).toFixed(4))));
      layer.b = Array<number>(units).fill(0);
    }
    for (const name of ["gamma", "beta"]) if (layer[name] && (layer[name] as number[]).length !== units) delete layer[name];
    if (!layer.norm) for (const name of ["gamma", "beta"]) delete layer[name];
    n = units;
  }
}

export function Settings() {
  return (
    <div class="settings">
      {rival.value && <h3>A</h3>}
      <Form file={write(run.value.problem)} change={edit} />
      {rival.value && <h3>B</h3>}
      {rival.value && <Form file={write(rival.value.loaded)} change={(f) => { editRival(f); return true; }} />}
    </div>
  );
}

function Form({ file, change }: { file: ProblemFile; change: (f: (file: ProblemFile) => void) => boolean }) {
  const layers = file.layers as LayerFile[];
  const optimizer = (file.optimizer as Record<string, unknown> | undefined) ?? { name: "sgd", learning_rate: 0.1 };
  const setLayer = (k: number, key: string, value: unknown) => change((f) => { const layer = (f.layers as LayerFile[])[k]!; if (value === null) delete layer[key]; else layer[key] = value; redraw(f); });
  const number = (label: string, value: number, set: (v: number) => void, step = "any") => <label>{label} <input type="number" step={step} value={value} onChange={(e) => set(e.currentTarget.valueAsNumber)} /></label>;
  return (
    <form onSubmit={(e) => e.preventDefault()}>
      <div class="scroll" tabIndex={0} role="group" aria-label="Layers">
        <table>
          <thead><tr><th scope="col">layer</th><th scope="col">units</th><th scope="col">activation</th><th scope="col">norm</th><th scope="col">dropout</th><th scope="col">skip from</th><th scope="col">remove</th></tr></thead>
          <tbody>
            {layers.map((layer, k) => (
              <tr>
                <th scope="row">{k + 1}</th>
                <td><input type="number" min="1" aria-label={`Units of layer ${k + 1}`} value={Number(layer.units)} disabled={k === layers.length - 1} onChange={(e) => setLayer(k, "units", e.currentTarget.valueAsNumber)} /></td>
                <td><Choose label={`Activation of layer ${k + 1}`} value={nameOf(layer.activation)} of={Object.keys(tables.activations).filter((name) => name !== "softmax" || k === layers.length - 1)} set={(name) => setLayer(k, "activation", withParameters(name, tables.activations as unknown as Specs))} /></td>
                <td><Choose label={`Norm of layer ${k + 1}`} value={String(layer.norm ?? "none")} of={["none", "batch", "layer"]} set={(name) => setLayer(k, "norm", name === "none" ? null : name)} /></td>
                <td><input type="number" min="0" max="0.95" step="0.05" aria-label={`Dropout of layer ${k + 1}`} value={Number(layer.dropout ?? 0)} onChange={(e) => { const p = e.currentTarget.valueAsNumber; change((f) => { (f.layers as LayerFile[])[k]!.dropout = p; f.seed ??= 0; }); }} /></td>
                <td><Choose label={`Skip to layer ${k + 1}`} value={layer.skip_from === undefined ? "none" : String(layer.skip_from)} of={["none", ...Array.from({ length: k + 1 }, (_, from) => String(from))]} set={(from) => setLayer(k, "skip_from", from === "none" ? null : Number(from))} /></td>
                <td><button type="button" aria-label={`Remove layer ${k + 1}`} disabled={k === layers.length - 1} onClick={() => change((f) => { (f.layers as LayerFile[]).splice(k, 1); for (const one of f.layers as LayerFile[]) delete one.skip_from; redraw(f); })}>×</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p>
        <button type="button" onClick={() => change((f) => { const list = f.layers as LayerFile[]; list.splice(list.length - 1, 0, { units: list.length > 1 ? list.at(-2)!.units : 4, activation: list.length > 1 ? list.at(-2)!.activation : "tanh" }); redraw(f); })}>Add a layer</button>{" "}
        <button type="button" onClick={() => change((f) => redraw(f, true))}>Draw new weights</button>
      </p>
      <p class="row">
        <label>Loss <Choose label="Loss" value={nameOf(file.loss)} of={Object.keys(tables.losses)} set={(name) => change((f) => { f.loss = withParameters(name, tables.losses as unknown as Specs); })} /></label>
        {number("L2", Number(file.l2 ?? 0), (v) => change((f) => { f.l2 = v; }))}
        <label>Optimizer <Choose label="Optimizer" value={String(optimizer.name)} of={Object.keys(tables.optimizers)} set={(name) => change((f) => { f.optimizer = { name, learning_rate: optimizer.learning_rate }; })} /></label>
        {Object.entries(optimizer).filter(([key, value]) => key !== "name" && typeof value === "number").map(([key, value]) => number(key.replaceAll("_", " "), value as number, (v) => change((f) => { f.optimizer = { ...optimizer, [key]: v }; })))}
        {Object.entries(optimizer).filter(([, value]) => typeof value === "boolean").map(([key, value]) => <label><input type="checkbox" checked={value as boolean} onChange={(e) => { const on = e.currentTarget.checked; change((f) => { f.optimizer = { ...optimizer, [key]: on }; }); }} /> {key}</label>)}
      </p>
    </form>
  );
}

const withParameters = (name: string, of: Specs): unknown =>
  Object.keys(of[name]!.parameters).length ? { name, ...of[name]!.parameters } : name;

function Choose({ label, value, of, set }: { label: string; value: string; of: string[]; set: (value: string) => void }) {
  return <select aria-label={label} value={value} onChange={(e) => set(e.currentTarget.value)}>{!of.includes(value) && <option value={value}>{value}</option>}{of.map((one) => <option value={one}>{one.replaceAll("_", " ")}</option>)}</select>;
}
