// Every step of a problem as plain values, each with all of its entries: what tests read, and the page shows one of.

import { Mat } from "./core/matrix";
import { start } from "./core/optimizers";
import { passes, optimizerOf, step } from "./core/training";
import type { Problem } from "./core/problem";
import { scene, steps, type Place, type Scene, type Step } from "./steps";

/** The scene of a problem at parameters of step t (counted from 0), whose optimizer has the state that is given. */
export function sceneOf(problem: Problem, t = 0, state = start(optimizerOf(problem), problem.params.theta)): Scene {
  const made = passes(problem, problem.params, t);
  const update = step(problem, problem.params, made.grad, state, t + 1);
  return scene(problem, made, update, () => passes(problem, update.after, t).grad.loss);
}

/** All places of a step's entries. */
export function places(of: Step): Place[] {
  const { values } = of;
  if (typeof values === "number") return [{ i: 0, j: 0, k: 0 }];
  const [rows, columns] = values instanceof Mat ? [values.m, values.n] : [values.length, 1];
  return Array.from({ length: rows * columns }, (_, e) => {
    const [row, column] = [Math.floor(e / columns), e % columns];
    return of.entries === "example" ? { i: row, j: column, k: 0 } : { i: 0, j: row, k: column };
  });
}

export function describe(problem: Problem): Record<string, unknown>[] {
  return steps(sceneOf(problem)).map((one) => ({
    id: one.id,
    equation: one.equation,
    way: one.way,
    title: one.title,
    sentence: one.sentence,
    formula: one.formula,
    values: one.values instanceof Mat ? Array.from(one.values.d) : typeof one.values === "number" ? [one.values] : Array.from(one.values),
    entries: places(one).map((at) => one.entry(at)),
  }));
}
