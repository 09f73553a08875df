// Activations: each function beside its derivative, as Backlit's own records give them.

import { Mat } from "./matrix";
import { negativePart, normalCdf, normalPdf, positivePart, sigmoid, softplus, tanhSlope } from "./special";

type Fn = (u: number) => number;

export interface Activation {
  name: string;
  parameters: Record<string, number>;
  forward(u: Mat): Mat;
  /** φ′(u), unit by unit; softmax's is the diagonal of its Jacobian. */
  slope(u: Mat): Mat;
  /** Jᵀ g, of an activation that mixes the units of an example. */
  pullBack?(u: Mat, g: Mat): Mat;
}

const SCALE = 1.0507009873554805;
const ALPHA = 1.6732632423543772;

/** The functions of each name; those with a parameter take it. */
const ELEMENTWISE: Record<string, (p: Record<string, number>) => [Fn, Fn]> = {
  identity: () => [(u) => u, () => 1],
  sigmoid: () => [sigmoid, (u) => sigmoid(u) * sigmoid(-u)],
  tanh: () => [Math.tanh, tanhSlope],
  relu: () => [positivePart, (u) => (u > 0 ? 1 : 0)],
  leaky_relu: ({ alpha }) => [(u) => (u <= 0 ? alpha! * u : u), (u) => (u > 0 ? 1 : alpha!)],
  elu: ({ alpha }) => [
    (u) => positivePart(u) + alpha! * Math.expm1(negativePart(u)),
    (u) => (u > 0 ? 1 : alpha! * Math.exp(negativePart(u))),
  ],
  selu: () => [
    (u) => SCALE * (positivePart(u) + ALPHA * Math.expm1(negativePart(u))),
    (u) => SCALE * (u > 0 ? 1 : ALPHA * Math.exp(negativePart(u))),
  ],
  gelu: () => [(u) => u * normalCdf(u), (u) => normalCdf(u) + u * normalPdf(u)],
  silu: () => [(u) => u * sigmoid(u), (u) => sigmoid(u) * (1 + u * sigmoid(-u))],
  softplus: () => [softplus, sigmoid],
  mish: () => [
    (u) => u * Math.tanh(softplus(u)),
    (u) => Math.tanh(softplus(u)) + u * tanhSlope(softplus(u)) * sigmoid(u),
  ],
  hard_tanh: () => [(u) => (Math.abs(u) < 1 ? u : Math.sign(u)), (u) => (1 - Math.abs(u) > 0 ? 1 : 0)],
  softsign: () => [(u) => u / (1 + Math.abs(u)), (u) => 1 / (1 + Math.abs(u)) ** 2],
  exp: () => [Math.exp, Math.exp],
};

/** The names, and of each its parameters with their defaults. */
export const ACTIVATIONS: Record<string, Record<string, number>> = {
  ...Object.fromEntries(Object.keys(ELEMENTWISE).map((name) => [name, {}])),
  leaky_relu: { alpha: 0.01 },
  elu: { alpha: 1 },
  softmax: {},
};

export function activation(name: string, parameters: Record<string, number> = {}): Activation {
  const groups = name === "softmax" ? [] : softmaxGroups(name);
  if (groups) return softmax(name, groups);
  const [f, slope] = ELEMENTWISE[name]!(parameters);
  return { name, parameters, forward: (u) => u.map(f), slope: (u) => u.map(slope) };
}

/** The sizes in a name like "softmax[3,2]"; null for another. */
export function softmaxGroups(name: string): number[] | null {
  const found = /^softmax\[([1-9]\d*(?:,[1-9]\d*)*)\]$/.exec(name);
  return found ? found[1]!.split(",").map(Number) : null;
}

/** Softmax, whole (no sizes) or by groups of units. */
function softmax(name: string, sizes: number[]): Activation {
  const forward = (u: Mat) => overGroups(u, sizes, probabilities);
  return {
    name,
    parameters: {},
    forward,
    slope: (u) => forward(u).map((p) => p * (1 - p)),
    pullBack(u, g) {
      const p = forward(u);
      const weighted = overGroups(p.zip(g, (a, b) => a * b), sizes, (row) => row.fill(row.reduce((s, v) => s + v, 0)));
      return p.map((value, k) => value * (g.d[k]! - weighted.d[k]!));
    },
  };
}

/** A copy of u in which `change` has changed each group of each row in place. */
export function overGroups(u: Mat, sizes: readonly number[], change: (row: Float64Array) => void): Mat {
  const out = u.copy();
  for (let i = 0; i < u.m; i++) {
    let start = i * u.n;
    for (const size of sizes.length ? sizes : [u.n]) {
      change(out.d.subarray(start, start + size));
      start += size;
    }
  }
  return out;
}

function probabilities(row: Float64Array): void {
  shift(row);
  const e = row.map(Math.exp);
  const sum = e.reduce((s, v) => s + v, 0);
  row.set(e.map((v) => v / sum));
}

/** ln p, in place, by the same shift, which leaves p as it is and cannot overflow. */
export function logProbabilities(row: Float64Array): void {
  shift(row);
  const log = Math.log(row.reduce((s, v) => s + Math.exp(v), 0));
  row.forEach((v, k) => (row[k] = v - log));
}

function shift(row: Float64Array): void {
  const top = row.reduce((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b)), -Infinity);
  row.forEach((v, k) => (row[k] = v - top));
}
