// The steps of a problem, in explain's order, each with its formula, its words, and any entry worked in numbers.

import { backwardLayer, outputSlope } from "./steps/backward";
import { forwardLayer } from "./steps/forward";
import { cost, exampleLoss } from "./steps/loss";
import type { Scene, Step } from "./steps/step";
import { clipping, outcome, updated } from "./steps/update";

export { rules } from "./steps/update";
export { scene, type Entry, type Place, type Scene, type Step, type Way } from "./steps/step";

export function steps(s: Scene): Step[] {
  const { net } = s.problem;
  const made: Step[] = [];
  for (let l = 1; l <= net.L; l++) made.push(...forwardLayer(s, l));
  made.push(exampleLoss(s), cost(s), outputSlope(s));
  for (let l = net.L; l >= 1; l--) made.push(...backwardLayer(s, l));
  if (s.problem.clipNorm !== null || s.problem.clipValue !== null) made.push(clipping(s));
  for (const { name, l } of s.update.after.slots) made.push(updated(s, name, l));
  made.push(outcome(s));
  return made;
}
