// The optimizer's step, and what became of the cost.

import type { Name } from "../core/network";
import type { Problem } from "../core/problem";
import { optimizerOf } from "../core/training";
import { factor, gets, minus, num, product, sum, term, worked } from "../mathml";
import { type Entry, head, made, type Scene, type Step } from "./step";
import tables from "../tables.json";

export function clipping(s: Scene): Step {
  const { clipNorm } = s.problem;
  const g = s.grad.flat.theta;
  const length = Math.sqrt(g.reduce((p, q) => p + q * q, 0));
  const step = made(s, "z", {
    id: "clip", kind: "clip", l: 0, way: "update", entries: "one", values: length,
    entry: () => ({ line: worked("<mo form=\"prefix\">‖</mo><mi>g</mi><mo form=\"postfix\">‖</mo>", null, length), value: length, mistakes: [] }),
  }); // prettier-ignore
  return {
    ...step,
    equation: clipNorm !== null ? "OPT-CLIP1" : "OPT-CLIP2",
    title: "Clipping",
    sentence: tables.clipping[clipNorm !== null ? 0 : 1]!,
    formula: "<mi>g</mi>",
  };
}

export const KIND: Record<Name, string> = { W: "update_W", b: "update_b", gamma: "update_gamma", beta: "update_beta" };

export type Rules = Record<string, string[][]>;

/** The optimizer's rule, line by line: equation, the name of what it makes, formula. */
export function rules(problem: Problem): string[][] {
  const { name, options } = optimizerOf(problem);
  const label = ["momentum", "nesterov", "amsgrad"].filter((key) => options[key]).join(" ");
  const all = (tables.optimizers as unknown as Record<string, { rules: Rules }>)[name]!.rules;
  const lines = all[label]!;
  return name === "adamw" && !options.weight_decay ? (tables.optimizers.adam.rules as Rules)[label]! : lines;
}

export function updated(s: Scene, name: Name, l: number): Step {
  const { net, params } = s.problem;
  const { clipped, move, after, state } = s.update;
  const frozen = name === "b" && !net.layer(l).trainBias;
  const stateful = Object.keys(state).length > 0;
  const optimizer = optimizerOf(s.problem);
  const slot = after.slots.find((one) => one.name === name && one.l === l)!;
  const values = name === "W" ? after.W[l]! : after[name][l]!;
  return made(s, `${KIND[name]} ${frozen ? "frozen" : stateful ? "state" : "plain"}`, {
    id: `${KIND[name]}[${l}]`, kind: KIND[name], l, way: "update", entries: name === "W" ? "weight" : "unit", values,
    entry: (at) => {
      const e = slot.start + (name === "W" ? at.j * slot.columns + at.k : at.j);
      const [old, g, step, value] = [params.theta[e]!, clipped.theta[e]!, move.theta[e]!, after.theta[e]!];
      const left = head(KIND[name], s, l, at, false);
      const rate = Number(optimizer.options.learning_rate);
      const body = frozen ? num(old) : stateful ? sum([term(old), term(step)]) : minus(num(old), product(num(rate), factor(g)));
      const mistakes: Entry["mistakes"] = frozen ? [] : [["step_uphill", old - step]];
      if (!stateful && !frozen) mistakes.push(["learning_rate_missing", old - g]);
      return { line: frozen ? gets(left, num(value)) : worked(gets(left, body), null, value), value, mistakes };
    },
  }, { optimizer: rules(s.problem).at(-1)![0]! }); // prettier-ignore
}

export function outcome(s: Scene): Step {
  const before = s.grad.loss;
  return {
    id: "update_loss", kind: "update_loss", l: 0, way: "update", entries: "one", equation: "", shapes: [], left: "",
    title: "The cost before and after", formula: "<mi>C</mi>",
    get values() {
      return s.after;
    },
    get sentence() {
      if (s.after < before) return "The cost fell.";
      if (s.after > before) return "The cost rose: the step was too long, or it is not against this gradient alone.";
      return s.after === before ? "The cost stayed the same." : "The cost is no longer a finite number.";
    },
    entry: () => ({ line: `<mi>C</mi><mo>:</mo>${num(before)}<mo>→</mo>${num(s.after)}`, value: s.after, mistakes: [] }),
  }; // prettier-ignore
}
