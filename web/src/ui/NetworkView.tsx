// The network with its numbers: a above, δ below; |w| as width, negative dashed; skips as arcs; norms and dropout.

import { say } from "../mathml";
import { current, now, place, predicting, revealed, run, spot } from "../state";
import type { Layer } from "../core/network";
import type { Scene } from "../steps";
import { picked } from "./Weights";
import { Strips } from "./Strips";

const R = 21;
const [WIDTH, GAP] = [150, 62];
export const MOST_UNITS = 12;
export const MOST_LAYERS = 8;

export function NetworkView() {
  const { problem } = run.value;
  const { net } = problem;
  const large = Math.max(...net.n) > MOST_UNITS || net.L > MOST_LAYERS;
  return (
    <section class="panel network" aria-label="Network">
      <h2>Network <small>{net.n.join("–")}, {net.loss.name.replaceAll("_", " ")}</small></h2>
      {large ? <Strips /> : <Drawing />}
      <ul class="legend">
        <li><b class="forward">a</b> activation, above</li>
        <li><b class="backward">δ</b> error, below</li>
        <li><Line /> weight above 0</li>
        <li><Line dashed /> below 0</li>
      </ul>
    </section>
  );
}

const Line = ({ dashed = false }) => (
  <svg class="key" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" class={dashed ? "edge negative" : "edge"} stroke-width="2.5" /></svg>
);

const compact = (value: number | undefined): string =>
  value === undefined ? "" : say(Math.abs(value) < 5e-4 && value !== 0 ? Number(value.toPrecision(2)) : Number(value.toFixed(3)), 3);

function Drawing() {
  const { problem } = run.value;
  const { net, params } = problem;
  const { scene } = now.value;
  const step = current.value;
  const i = spot.value.i;
  const asked = predicting.value && !revealed.value; // what is asked for is not shown
  const tallest = Math.max(...net.n);
  const skips = net.layers.some((layer) => layer.skipFrom !== null);
  const top = skips ? 48 : 24;
  const tags = Math.max(...net.layers.map((layer) => Number(layer.norm !== null) + Number(layer.dropout > 0)));
  const height = top + tallest * GAP + 17 * tags + (tags ? 26 : 20);
  const x = (l: number) => 34 + l * WIDTH;
  const y = (l: number, j: number) => top + (tallest * GAP) / 2 + (j - (net.n[l]! - 1) / 2) * GAP;
  const largest = params.W.slice(1).reduce((m, W) => W.d.reduce((t, w) => Math.max(t, Math.abs(w)), m), 1e-12);
  const lit = litBy(step?.kind ?? "", step?.l ?? 0);
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="The network, drawn">
      <svg class={lit.edges ? "drawing aimed" : "drawing"} viewBox={`0 0 ${104 + net.L * WIDTH} ${height}`} style={{ maxWidth: `${(104 + net.L * WIDTH) * 1.3}px`, minWidth: `${Math.min(40 + net.L * 92, 700)}px` }} role="img" aria-label={spokenNetwork(net.n, scene, i)}>
        {net.layers.map((layer, k) => layer.skipFrom !== null && <Skip x1={x(layer.skipFrom)} y1={y(layer.skipFrom, 0) - R - (layer.skipFrom ? 3 : 16)} x2={x(k + 1)} y2={y(k + 1, 0) - R - 3} scale={layer.skipScale} lit={lit.layer === k + 1 && step?.kind === "skip"} />)}
        {net.layers.map((_, k) => {
          const W = params.W[k + 1]!;
          return W.rows().flatMap((row, j) =>
            row.map((w, below) => (
              <Edge
                x1={x(k) + R} y1={y(k, below)} x2={x(k + 1) - R} y2={y(k + 1, j)} w={w} largest={largest}
                lit={lit.edges === k + 1 && edgeLit(step?.kind ?? "", j, below)}
                chosen={picked.value.l === k + 1 && picked.value.j === j && picked.value.k === below && picked.value.name === "W"}
                label={row.length * W.m <= 12} at={0.3 + 0.4 * (W.m > 1 ? j / (W.m - 1) : 0.5)}
                pick={() => (picked.value = { name: "W", l: k + 1, j, k: below })}
              />
            )),
          );
        })}
        {net.layers.map((layer, k) => <Between layer={layer} x={x(k + 1)} y={top + (tallest * GAP) / 2 + (net.n[k + 1]! * GAP) / 2 + 11} lit={lit.layer === k + 1 && /mu|sigma2|x_hat|^u$|gamma|beta|norm|dropout|grad_h/.test(step?.kind ?? "")} />)}
        {net.n.map((n, l) =>
          Array.from({ length: n }, (_, j) => (
            <Unit x={x(l)} y={y(l, j)} name={l === 0 ? `x${sub(j + 1)}` : ""} a={asked && step?.way === "forward" && lit.layer === l ? NaN : scene?.trace.a[l]?.at(i, j)} delta={asked && step?.way === "backward" ? NaN : l ? scene?.grad.delta[l]?.at(i, j) : scene?.grad.a[0]?.at(i, j)} asked={asked}
              first={l === 0} lit={lit.layer === l && unitLit(step?.entries ?? "", j)} soft={lit.layer !== l && lit.other !== l}
              dropped={l > 0 && scene?.trace.mask[l]?.at(i, j) === 0} pick={() => (place.value = { ...place.value, j })} />
          )),
        )}
        {Array.from({ length: net.n[net.L]! }, (_, k) => (
          <text class="target" x={x(net.L) + R + 8} y={y(net.L, k) + 4}>y {compact(problem.y.at(i, k))}</text>
        ))}
        {net.n.map((_, l) => <text class="layer" x={x(l)} y={height - 5}>{l === 0 ? "inputs" : `${l} · ${net.layer(l).activation.name.replaceAll("_", " ")}`}</text>)}
      </svg>
    </div>
  );
}

const SUBS = "₀₁₂₃₄₅₆₇₈₉";
export const sub = (n: number): string => [...String(n)].map((digit) => SUBS[Number(digit)]).join("");

/** What of the drawing a step is about: its layer, the edges that end there, and the other end. */
function litBy(kind: string, l: number): { layer: number; edges: number; other: number } {
  if (kind === "grad_a") return { layer: l - 1, edges: l, other: l };
  if (/^(z|grad_W|update_W)$/.test(kind)) return { layer: l, edges: l, other: l - 1 };
  if (kind === "ell" || kind === "loss" || kind === "update_loss") return { layer: run.value.problem.net.L, edges: 0, other: -1 };
  return { layer: l, edges: 0, other: -1 };
}

function edgeLit(kind: string, j: number, k: number): boolean {
  const at = spot.value;
  if (kind === "grad_a") return k === at.j;
  return kind === "z" ? j === at.j : j === at.j && k === at.k;
}

const unitLit = (entries: string, j: number): boolean => entries === "one" || entries === "" || spot.value.j === j;

function Edge(props: { x1: number; y1: number; x2: number; y2: number; w: number; largest: number; lit: boolean; chosen: boolean; label: boolean; at: number; pick: () => void }) {
  const { x1, y1, x2, y2, w, largest, lit, chosen, at } = props;
  const size = 0.7 + 4.3 * Math.min(1, Math.abs(w) / largest);
  return (
    <g class={`link${lit ? " lit" : ""}${chosen ? " chosen" : ""}`} onClick={props.pick}>
      <line class={w < 0 ? "edge negative" : "edge"} x1={x1} y1={y1} x2={x2} y2={y2} stroke-width={size} />
      <line class="grip" x1={x1} y1={y1} x2={x2} y2={y2} />
      {props.label && <text class="weight" x={x1 + (x2 - x1) * at} y={y1 + (y2 - y1) * at - 3}>{compact(w)}</text>}
    </g>
  );
}

function Unit(props: { x: number; y: number; name: string; a: number | undefined; delta: number | undefined; lit: boolean; soft: boolean; dropped: boolean; first: boolean; asked: boolean; pick: () => void }) {
  const { x, y, a, delta, lit, soft, dropped, first, pick } = props;
  return (
    <g class={`unit${lit ? " lit" : ""}${soft ? " soft" : ""}${dropped ? " dropped" : ""}`} onClick={pick}>
      <circle cx={x} cy={y} r={R} />
      {dropped && <line class="cross" x1={x - 12} y1={y - 12} x2={x + 12} y2={y + 12} />}
      <text class="value" x={x} y={y + 4}>{props.asked && Number.isNaN(a) ? "?" : compact(a)}</text>
      {first ? <text class="name" x={x} y={y - R - 4}>{props.name}</text> : <text class="delta" x={x} y={y + R + 12}>δ {props.asked && Number.isNaN(delta) ? "?" : compact(delta)}</text>}
    </g>
  );
}

function Skip({ x1, y1, x2, y2, scale, lit }: { x1: number; y1: number; x2: number; y2: number; scale: number; lit: boolean }) {
  const top = Math.min(y1, y2) - 34;
  return (
    <g class={lit ? "skip lit" : "skip"}>
      <path d={`M ${x1} ${y1} C ${x1 + 22} ${top}, ${x2 - 22} ${top}, ${x2} ${y2} m -5 -5 l 5 5 l 4 -6`} />
      <text x={(x1 + x2) / 2} y={top + 4 + Math.abs(y1 - y2) / 4}>skip{scale === 1 ? "" : ` × ${say(scale)}`}</text>
    </g>
  );
}

function Between({ layer, x, y, lit }: { layer: Layer; x: number; y: number; lit: boolean }) {
  const tags = [layer.norm && `${layer.norm} norm`, layer.dropout && `dropout ${say(layer.dropout)}`].filter(Boolean) as string[];
  return (
    <>
      {tags.map((tag, k) => (
        <g class={lit ? "tag lit" : "tag"}>
          <rect x={x - 42} y={y - 4 + k * 17} width="84" height="15" rx="4" />
          <text x={x} y={y + 7 + k * 17}>{tag}</text>
        </g>
      ))}
    </>
  );
}

function spokenNetwork(n: number[], scene: Scene | null, i: number): string {
  const out = scene ? ` For example ${i + 1} the output is ${Array.from(scene.trace.a.at(-1)!.row(i)).map((v) => say(v)).join(", ")}.` : "";
  return `A network of ${n.join(", ")} units; weights and values are in the tables below.${out}`;
}
