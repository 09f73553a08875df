// What a network is: its layers and loss, and its parameters as views into one flat vector.

import type { Activation } from "./activations";
import { shortForm, type Loss, type ShortForm } from "./losses";
import { Mat } from "./matrix";

export type Norm = "batch" | "layer";

export interface Layer {
  units: number;
  activation: Activation;
  norm: Norm | null;
  eps: number;
  dropout: number;
  skipFrom: number | null;
  skipScale: number;
  trainBias: boolean;
}

export class Network {
  readonly n: number[];

  constructor(
    readonly inputs: number,
    readonly layers: Layer[],
    readonly loss: Loss,
    readonly reduction: "mean" | "sum" = "mean",
    readonly l2 = 0,
  ) {
    this.n = [inputs, ...layers.map((layer) => layer.units)];
  }

  get L(): number {
    return this.layers.length;
  }

  /** Layer l, counted from 1 to L as in the equations. */
  layer(l: number): Layer {
    return this.layers[l - 1]!;
  }

  /** Whether batch norm makes one example's output depend on the others of its batch. */
  get coupled(): boolean {
    return this.layers.some((layer) => layer.norm === "batch");
  }

  get drops(): boolean {
    return this.layers.some((layer) => layer.dropout > 0);
  }

  /** The output's short form, unless dropout or a skip stands between φ and the loss. */
  get shortForm(): ShortForm | null {
    const last = this.layer(this.L);
    return last.dropout || last.skipFrom !== null ? null : shortForm(last.activation, this.loss);
  }
}

export const NAMES = ["W", "b", "gamma", "beta"] as const;
export type Name = (typeof NAMES)[number];

export interface Slot {
  name: Name;
  l: number;
  rows: number;
  columns: number;
  start: number;
}

/** Where each array lies in theta, layer by layer: W, b and, of a layer with a norm, gamma and beta. */
export function layout(net: Network): Slot[] {
  const slots: Slot[] = [];
  let start = 0;
  net.layers.forEach((layer, k) => {
    for (const name of layer.norm ? NAMES : NAMES.slice(0, 2)) {
      const columns = name === "W" ? net.n[k]! : 1;
      slots.push({ name, l: k + 1, rows: layer.units, columns, start });
      start += layer.units * columns;
    }
  });
  return slots;
}

export class Parameters {
  readonly theta: Float64Array;
  readonly W: Mat[] = [];
  readonly b: Float64Array[] = [];
  readonly gamma: Float64Array[] = [];
  readonly beta: Float64Array[] = [];
  readonly slots: Slot[];

  constructor(
    readonly net: Network,
    theta?: Float64Array,
  ) {
    this.slots = layout(net);
    const last = this.slots.at(-1)!;
    this.theta = theta ?? new Float64Array(last.start + last.rows * last.columns);
    for (const { name, l, rows, columns, start } of this.slots) {
      const view = this.theta.subarray(start, start + rows * columns);
      if (name === "W") this.W[l] = new Mat(rows, columns, view);
      else this[name][l] = view;
    }
  }

  copy(): Parameters {
    return new Parameters(this.net, this.theta.slice());
  }

  /** Whether the optimizer may move each number: all but the b of layers that say not. */
  get trainable(): boolean[] {
    return this.slots.flatMap(({ name, l, rows, columns }) =>
      Array<boolean>(rows * columns).fill(name !== "b" || this.net.layer(l).trainBias),
    );
  }
}
