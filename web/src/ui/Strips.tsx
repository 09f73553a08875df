// A network too large to draw unit by unit: each layer a strip of cells, colored by a or δ; a click opens a unit.

import { useEffect, useRef, useState } from "preact/hooks";
import { place, now, run, spot, theme } from "../state";
import { say } from "../mathml";
import { diverging } from "./colors";

export function Strips() {
  const { net } = run.value.problem;
  const { scene } = now.value;
  const [of, choose] = useState<"a" | "delta">("a");
  return (
    <div class="strips">
      <p class="soft">Too large to draw unit by unit: all {net.L} layers as strips, one cell a unit, orange below 0 and blue above. A click opens a unit.</p>
      <label>Color by <select value={of} onChange={(e) => choose(e.currentTarget.value as "a" | "delta")}><option value="a">activation a</option><option value="delta">error δ</option></select></label>
      <div class="row scroll" tabIndex={0} role="group" aria-label="Layers as strips">
        {net.n.map((n, l) => {
          const values = scene && (of === "a" ? scene.trace.a[l] : l ? scene.grad.delta[l] : scene.grad.a[0]);
          return <Strip l={l} n={n} values={values ? values.row(spot.value.i) : null} />;
        })}
      </div>
      <label>Unit <input type="number" min="1" max={Math.max(...net.n)} value={spot.value.j + 1} onChange={(e) => (place.value = { ...place.value, j: Math.max(0, Number(e.currentTarget.value) - 1) })} /></label>
    </div>
  );
}

function Strip({ l, n, values }: { l: number; n: number; values: Float64Array | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shownTheme = theme.value;
  const chosen = Math.min(spot.value.j, n - 1);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !values) return;
    const { width, height } = context.canvas;
    const color = diverging(context.canvas);
    const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-300);
    context.clearRect(0, 0, width, height);
    for (let j = 0; j < n; j++) {
      const [r, g, b] = color(values[j]! / largest);
      context.fillStyle = `rgb(${r},${g},${b})`;
      context.fillRect(0, (j * height) / n, width, Math.ceil(height / n));
    }
  }, [values, n, shownTheme]);
  const open = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    place.value = { ...place.value, j: Math.floor(((event.clientY - box.top) / box.height) * n) };
  };
  const value = values?.[chosen];
  const layer = l ? run.value.problem.net.layer(l) : null;
  return (
    <figure class="strip">
      <canvas ref={canvas} width={24} height={Math.max(n, 200)} onClick={open} role="img" aria-label={`Layer ${l}, ${n} units; unit ${chosen + 1} is ${value === undefined ? "unknown" : say(value)}`} />
      <figcaption>{l === 0 ? "in" : l}<br /><small>{n}{layer?.norm ? ` ${layer.norm[0]}n` : ""}{layer?.skipFrom != null ? ` ↷${layer.skipFrom}` : ""}</small></figcaption>
    </figure>
  );
}
