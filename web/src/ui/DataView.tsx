// The data: what the network gives over two inputs or one, the examples on it, and ways to move, add and remove them.

import { useSignal } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Mat } from "../core/matrix";
import { say } from "../mathml";
import { message, now, place, playing, rival, run, setData, theme, type Run } from "../state";
import { predictions } from "../core/training";
import { hasWorker, isLarge, predictionsBeside } from "../worker";
import { classes, diverging } from "./colors";
import { readCsv } from "../csv";
import { sub } from "./NetworkView";

const [W, H, PAD] = [480, 300, 0];

/** The ends of an axis: a little beyond the examples. */
function extent(values: number[], least = 1): [number, number] {
  const [low, high] = [Math.max(-1e100, Math.min(...values)), Math.min(1e100, Math.max(...values))];
  const margin = Math.max((high - low) * 0.15, (least - (high - low)) / 2, 0.1 * least);
  return [low - margin, high + margin];
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

export function DataView() {
  const axes = useSignal<[number, number]>([0, 1]);
  const adding = useSignal(0);
  const { problem } = run.value;
  const { inputs } = problem.net;
  const K = problem.net.n[problem.net.L]!;
  const [p, q] = [Math.min(axes.value[0], inputs - 1), Math.min(axes.value[1], inputs - 1)];
  return (
    <section class="panel data" aria-label="Data">
      <h2>Data <small>{problem.X.m} example{problem.X.m === 1 ? "" : "s"}{inputs === 1 ? ", the fit" : K > 1 ? ", the largest output" : ", the output"}</small></h2>
      {inputs > 2 && (
        <p class="soft axes">
          {[p, q].map((axis, which) => (
            <label>{which ? "up" : "across"} <select value={axis} onChange={(e) => { const next: [number, number] = [p, q]; next[which] = Number(e.currentTarget.value); axes.value = next; }}>{Array.from({ length: inputs }, (_, k) => <option value={k}>x{k + 1}</option>)}</select></label>
          ))}
          the other inputs at their medians
        </p>
      )}
      <div class={rival.value ? "maps two" : "maps"}>
        <Map of={run.value} p={p} q={q} adding={adding.value} />
        {rival.value && <Map of={rival.value} p={p} q={q} adding={adding.value} still />}
      </div>
      <p class="soft tools">
        {K > 1 || isBinary(problem) ? <label>new points are of class <select value={adding.value} onChange={(e) => (adding.value = Number(e.currentTarget.value))}>{Array.from({ length: K > 1 ? K : 2 }, (_, k) => <option value={k}>{k}</option>)}</select></label> : null}
        <span>Click to add a point, drag to move one{problem.X.m > 1 ? ", Delete removes the open one" : ""}.</span>
      </p>
      <Table />
    </section>
  );
}

const isBinary = (problem: Run["problem"]): boolean => problem.net.n[problem.net.L] === 1 && problem.y.d.every((t) => t === 0 || t === 1 || t === -1);

function Map({ of, p, q, adding, still = false }: { of: Run; p: number; q: number; adding: number; still?: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frozen = useRef<{ x: [number, number]; y: [number, number] } | null>(null);
  const dragging = useRef<number | null>(null);
  const { problem } = of;
  const { X, y, net } = problem;
  const K = y.n;
  const line = net.inputs === 1;
  const column = (k: number) => Array.from({ length: X.m }, (_, i) => X.at(i, k));
  const xs = frozen.current?.x ?? extent(column(p), 2);
  const outputs = line ? Array.from(now.value.scene?.trace.a[net.L]?.d ?? []).filter(Number.isFinite) : [];
  const ys = frozen.current?.y ?? (line ? extent([...y.d, ...outputs.map((v) => Math.max(-50, Math.min(50, v)))], 1) : extent(column(q), 2));
  const training = playing.value === "train";
  const looks = theme.value;
  const toX = (v: number) => PAD + ((v - xs[0]) / (xs[1] - xs[0])) * (W - 2 * PAD);
  const toY = (v: number) => H - PAD - ((v - ys[0]) / (ys[1] - ys[0])) * (H - 2 * PAD);
  const fromX = (px: number) => xs[0] + (px / W) * (xs[1] - xs[0]);
  const fromY = (py: number) => ys[0] + ((H - py) / H) * (ys[1] - ys[0]);

  useEffect(() => {
    if (line || !canvas.current) return undefined;
    const grid = { p, q, xs, ys };
    const rough = pixels(of, grid, COARSE);
    paint(canvas.current, of, predictions(of.problem, rough), COARSE);
    if (training) return undefined;
    let stale = false; // once the numbers are there, the map is refined
    const timer = setTimeout(() => {
      const inputs = pixels(of, grid, FINE);
      const made = isLarge(of.problem) && hasWorker() ? predictionsBeside(of.problem, inputs) : Promise.resolve(predictions(of.problem, inputs));
      void made.then((a) => a && !stale && canvas.current && paint(canvas.current, of, a, FINE));
    }, 150);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [of.problem, p, q, training, looks, xs[0], xs[1], ys[0], ys[1]]);

  const chosen = Math.min(place.value.i, X.m - 1);
  const where = (event: PointerEvent): [number, number] => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * W, ((event.clientY - box.top) / box.height) * H];
  };
  const rowAt = (px: number, py: number, from: number[]): number[] => {
    const row = [...from];
    row[p] = round(fromX(px));
    if (!line) row[q] = round(fromY(py));
    return row;
  };
  const near = (px: number, py: number): number | null => {
    let best: number | null = null;
    let least = 11 ** 2;
    for (let i = 0; i < X.m; i++) {
      const gap = (toX(X.at(i, p)) - px) ** 2 + (toY(line ? y.at(i, 0) : X.at(i, q)) - py) ** 2;
      if (gap < least) [best, least] = [i, gap];
    }
    return best;
  };
  const move = (i: number, px: number, py: number) => {
    const rows = X.rows();
    const targets = y.rows();
    rows[i] = rowAt(px, py, rows[i]!);
    if (line) targets[i] = [round(fromY(py)), ...targets[i]!.slice(1)];
    setData(rows, targets);
  };
  const down = (event: PointerEvent) => {
    if (still) return;
    const [px, py] = where(event);
    frozen.current = { x: xs, y: ys };
    const hit = near(px, py);
    if (hit !== null) {
      dragging.current = hit;
      place.value = { ...place.value, i: hit };
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      return;
    }
    const middle = Array.from({ length: net.inputs }, (_, k) => median(column(k)));
    const target = line ? [round(fromY(py)), ...Array<number>(K - 1).fill(0)] : targetOf(of, adding);
    setData([...X.rows(), rowAt(px, py, middle)], [...y.rows(), target]);
    place.value = { ...place.value, i: X.m };
    frozen.current = null;
  };
  const drag = (event: PointerEvent) => dragging.current !== null && move(dragging.current, ...where(event));
  const up = () => {
    dragging.current = null;
    frozen.current = null;
  };
  const keys = (event: KeyboardEvent) => {
    const i = Math.min(place.value.i, X.m - 1);
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const by = steps[event.key];
    if ((event.key === "Delete" || event.key === "Backspace") && X.m > 1) remove(i);
    else if (by) move(i, toX(X.at(i, p)) + by[0] * 4, toY(line ? y.at(i, 0) : X.at(i, q)) + by[1] * 4);
    else return;
    event.preventDefault();
  };
  const spoken = `${line ? "The fit" : "The map of the output"}${rival.value ? ` of network ${still ? "B" : "A"}` : ""}; the examples are in the table below. Arrow keys move the open example, Delete removes it.`;
  return (
    <div class="map" tabIndex={still ? -1 : 0} role="group" aria-label={spoken} onKeyDown={keys}>
      {!line && <canvas ref={canvas} width={COARSE} height={COARSE} aria-hidden="true" />}
      <svg viewBox={`0 0 ${W} ${H}`} onPointerDown={down} onPointerMove={drag} onPointerUp={up} onPointerCancel={up} aria-hidden="true">
        {line && <Fit of={of} xs={xs} toX={toX} toY={toY} />}
        <Points draw={() => Array.from({ length: X.m }, (_, i) => <Point of={of} i={i} x={toX(X.at(i, p))} y={toY(line ? y.at(i, 0) : X.at(i, q))} chosen={chosen === i} />)} same={[X, y, chosen, p, q, ...xs, ...ys]} />
        <text class="axis" x={4} y={H - 5}>{say(xs[0], 2)}</text>
        <text class="axis mid" x={W / 2} y={H - 5}>x{sub(p + 1)}</text>
        <text class="axis end" x={W - 4} y={H - 5}>{say(xs[1], 2)}</text>
        <text class="axis" x={4} y={12}>{say(ys[1], 2)}</text>
        <text class="axis" x={4} y={H / 2}>{line ? "y" : `x${sub(q + 1)}`}</text>
        <text class="axis" x={4} y={H - 18}>{say(ys[0], 2)}</text>
        {rival.value && <text class="axis end" x={W - 4} y={12}>{still ? "B" : "A"}</text>}
      </svg>
    </div>
  );
}

/** The examples, which stay as they are while the network trains. */
class Points extends Component<{ draw: () => ComponentChildren; same: unknown[] }> {
  override shouldComponentUpdate(next: { same: unknown[] }): boolean {
    return next.same.some((value, k) => value !== this.props.same[k]);
  }

  override render(): ComponentChildren {
    return this.props.draw();
  }
}

const round = (v: number): number => Number(v.toFixed(3));

function targetOf(of: Run, chosen: number): number[] {
  const { y, net } = of.problem;
  if (y.n > 1 && (net.loss.classes || y.rows().every((row) => row.filter((t) => t === 1).length === 1)))
    return Array.from({ length: y.n }, (_, k) => (k === chosen ? 1 : 0));
  if (y.n === 1 && isBinary(of.problem)) return [chosen ? 1 : y.d.includes(-1) ? -1 : 0];
  return Array.from({ length: y.n }, (_, k) => y.at(0, k));
}

/** Points: shape by class, so that color is not needed; the open one has a ring. */
function Point({ of, i, x, y, chosen }: { of: Run; i: number; x: number; y: number; chosen: boolean }) {
  const target = of.problem.y.row(i);
  if (!(Math.abs(x) < 1e5 && Math.abs(y) < 1e5)) return null;
  const label = target.length > 1 ? target.indexOf(Math.max(...target)) : target[0]! > 0.5 ? 1 : 0;
  const r = 5;
  const shapes = [
    <circle class="point s1" cx={x} cy={y} r={r} />,
    <path class="point s2" d={`M ${x} ${y - r - 1} l ${r + 1} ${2 * r} h ${-2 * r - 2} z`} />,
    <rect class="point s3" x={x - r} y={y - r} width={2 * r} height={2 * r} />,
    <path class="point s4" d={`M ${x} ${y - r - 1} l ${r + 1} ${r + 1} l ${-r - 1} ${r + 1} l ${-r - 1} ${-r - 1} z`} />,
  ];
  const shape = target.length === 1 && !isBinary(of.problem) ? 0 : target.length > 1 ? label % 4 : label ? 0 : 1;
  return <g>{chosen && <circle class="ring" cx={x} cy={y} r={r + 4} />}{shapes[shape]}</g>;
}

function Fit({ of, xs, toX, toY }: { of: Run; xs: [number, number]; toX: (v: number) => number; toY: (v: number) => number }) {
  const count = 120;
  const X = new Mat(count, 1, Float64Array.from({ length: count }, (_, k) => xs[0] + (k / (count - 1)) * (xs[1] - xs[0])));
  const a = predictions(of.problem, X);
  return (
    <>
      {Array.from({ length: a.n }, (_, k) => (
        <path class={`curve s${(k % 6) + 1}`} d={Array.from({ length: count }, (_, i) => `${i ? "L" : "M"} ${toX(X.at(i, 0)).toFixed(1)} ${Math.max(-1e4, Math.min(1e4, toY(a.at(i, k)))).toFixed(1)}`).filter((part) => !part.includes("NaN")).join(" ").replace(/^L/, "M")} />
      ))}
    </>
  );
}

const [COARSE, FINE] = [40, 100]; // pixels of a map's side

interface Grid {
  p: number;
  q: number;
  xs: [number, number];
  ys: [number, number];
}

/** The inputs of n × n pixels over the two axes, the others at their medians. */
function pixels(of: Run, { p, q, xs, ys }: Grid, n: number): Mat {
  const { X, net } = of.problem;
  const middle = Array.from({ length: net.inputs }, (_, k) => median(Array.from({ length: X.m }, (_, i) => X.at(i, k))));
  const grid = new Mat(n * n, net.inputs);
  for (let r = 0; r < n; r++)
    for (let c = 0; c < n; c++) {
      const at = (r * n + c) * net.inputs;
      grid.d.set(middle, at);
      grid.d[at + p] = xs[0] + ((c + 0.5) / n) * (xs[1] - xs[0]);
      grid.d[at + q] = ys[1] - ((r + 0.5) / n) * (ys[1] - ys[0]);
    }
  return grid;
}

/** What the network gives, pixel by pixel. */
function paint(canvas: HTMLCanvasElement, of: Run, a: Mat, n: number): void {
  const { y } = of.problem;
  canvas.width = canvas.height = n;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(n, n);
  const many = a.n > 1 ? classes(canvas) : null;
  const one = diverging(canvas);
  const [low, high] = [Math.min(...y.d), Math.max(...y.d)];
  const [center, half] = low < high ? [(low + high) / 2, (high - low) / 2] : [0, Math.max(1, Math.abs(low))];
  for (let k = 0; k < n * n; k++) {
    const [r, g, b] = many ? many(a.d.subarray(k * a.n, (k + 1) * a.n)) : one((a.d[k]! - center) / half);
    image.data.set([r, g, b, 255], 4 * k);
  }
  context.putImageData(image, 0, 0);
}

function remove(i: number): void {
  const { X, y } = run.value.problem;
  setData(X.rows().filter((_, k) => k !== i), y.rows().filter((_, k) => k !== i));
}

const MOST = 60; // rows of the table

/** The examples as a table, each number of which can be typed over, and CSV. */
function Table() {
  const shown = useSignal(false);
  return (
    <details class="table" onToggle={(e) => (shown.value = e.currentTarget.open)}>
      <summary>Data as a table, CSV</summary>
      {shown.value && <Rows />}
    </details>
  );
}

function Rows() {
  const { problem } = run.value;
  const { X, y } = problem;
  const text = useRef<HTMLTextAreaElement>(null);
  const a = now.value.scene?.trace.a[problem.net.L];
  const change = (i: number, k: number, what: "x" | "y", value: number) => {
    if (!Number.isFinite(value)) return;
    const [rows, targets] = [X.rows(), y.rows()];
    (what === "x" ? rows : targets)[i]![k] = value;
    setData(rows, targets);
  };
  const load = (csv: string) => {
    try {
      const rows = readCsv(csv, problem.net.inputs, y.n, problem.net.loss.classes);
      setData(rows.x, rows.y);
    } catch (error) {
      message.value = (error as Error).message;
    }
  };
  return (
    <>
      <div class="scroll" tabIndex={0} role="group" aria-label="Examples">
        <table>
          <thead><tr><th scope="col">#</th>{Array.from({ length: X.n }, (_, k) => <th scope="col">x{k + 1}</th>)}{Array.from({ length: y.n }, (_, k) => <th scope="col">y{k + 1}</th>)}{Array.from({ length: y.n }, (_, k) => <th scope="col">output {k + 1}</th>)}<th scope="col">remove</th></tr></thead>
          <tbody>
            {Array.from({ length: Math.min(MOST, X.m) }, (_, i) => (
              <tr aria-current={place.value.i === i ? "true" : undefined}>
                <th scope="row"><button type="button" aria-label={`Open example ${i + 1}`} onClick={() => (place.value = { ...place.value, i })}>{i + 1}</button></th>
                {Array.from(X.row(i)).map((v, k) => <td><input type="number" step="any" aria-label={`x${k + 1} of example ${i + 1}`} value={v} onChange={(e) => change(i, k, "x", e.currentTarget.valueAsNumber)} /></td>)}
                {Array.from(y.row(i)).map((v, k) => <td><input type="number" step="any" aria-label={`y${k + 1} of example ${i + 1}`} value={v} onChange={(e) => change(i, k, "y", e.currentTarget.valueAsNumber)} /></td>)}
                {Array.from({ length: y.n }, (_, k) => <td class="num">{a ? say(a.at(i, k), 4) : ""}</td>)}
                <td><button type="button" aria-label={`Remove example ${i + 1}`} disabled={X.m < 2} onClick={() => remove(i)}>×</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {X.m > MOST && <p class="soft">The first {MOST} of {X.m} examples are listed.</p>}
      <p><label>CSV: {problem.net.inputs} inputs, then {problem.net.loss.classes && y.n > 1 ? `a class 0 to ${y.n - 1}` : `${y.n} target${y.n > 1 ? "s" : ""}`}, a row a line<br /><textarea ref={text} rows={3} spellcheck={false} /></label></p>
      <p><button type="button" onClick={() => load(text.current?.value ?? "")}>Use these rows</button> <label class="file">or a file <input type="file" accept=".csv,.txt" onChange={(e) => { void e.currentTarget.files?.[0]?.text().then(load); }} /></label> <span class="soft">It is read in this page and leaves it never.</span></p>
    </>
  );
}
