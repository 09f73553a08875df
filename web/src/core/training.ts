// Optimizer steps on the whole of x, and the numbers of a problem by the names of explain's JSON.

import { Mat } from "./matrix";
import { Parameters, NAMES } from "./network";
import { clip, optimizer, start, type Optimizer, type State } from "./optimizers";
import { backward, forward, type Gradients, type Trace } from "./passes";
import type { Problem } from "./problem";

export interface Passes {
  trace: Trace;
  grad: Gradients;
}

/** Gradient descent, where a problem names no optimizer. */
export const optimizerOf = (problem: Problem): Optimizer =>
  problem.optimizer ?? optimizer("sgd", { learning_rate: 0.1, momentum: 0, nesterov: false });

export function passes(problem: Problem, params: Parameters, step: number): Passes {
  const key = problem.net.drops && problem.seed !== null ? { seed: problem.seed, step } : null;
  const trace = forward(problem.net, params, problem.X, key);
  return { trace, grad: backward(problem.net, params, trace, problem.y, problem.weight) };
}

export interface Step {
  t: number;
  before: Parameters;
  after: Parameters;
  /** The gradient as the optimizer got it, and the step that was added. */
  clipped: Parameters;
  move: Parameters;
  old: State;
  state: State;
}

/** Step t (counted from 1) from a gradient. */
export function step(problem: Problem, params: Parameters, grad: Gradients, state: State, t: number): Step {
  const may = params.trainable;
  const g = clip(grad.flat.theta, problem.clipNorm, problem.clipValue).map((x, k) => (may[k] ? x : 0));
  const [moved, next] = optimizerOf(problem).update(g, state, t, params.theta);
  const move = moved.map((x, k) => (may[k] ? x : 0));
  return {
    t,
    before: params,
    after: new Parameters(problem.net, params.theta.map((x, k) => x + move[k]!)),
    clipped: new Parameters(problem.net, g),
    move: new Parameters(problem.net, move),
    old: state,
    state: next,
  };
}

type Arrays = Record<string, number[] | number[][]>;

/** {"1": rows, …}. */
export function byLayer(arrays: readonly (Mat | Float64Array | null | undefined)[]): Arrays {
  const found: Arrays = {};
  arrays.forEach((array, l) => {
    if (array) found[l] = array instanceof Mat ? array.rows() : Array.from(array);
  });
  return found;
}

/** The numbers of both passes and of `steps` optimizer steps, as `backlit explain --format json` prints them. */
export function quantities(problem: Problem, steps = 1): Record<string, unknown> {
  const { trace, grad } = passes(problem, problem.params, 0);
  let [params, state] = [problem.params, start(optimizerOf(problem), problem.params.theta)];
  let loss = grad.loss;
  for (let t = 1; t <= steps; t++) {
    const now = t === 1 ? grad : passes(problem, params, t - 1).grad;
    const made = step(problem, params, now, state, t);
    loss = passes(problem, made.after, t - 1).grad.loss;
    [params, state] = [made.after, made.state];
    if (![loss, ...made.after.theta].every(Number.isFinite)) break;
  }
  const moved = Object.entries(named(params)).filter(([name, layers]) => "Wb".includes(name) || Object.keys(layers).length);
  return {
    loss: grad.loss,
    z: byLayer(trace.z),
    u: byLayer(trace.u),
    a: byLayer(trace.a),
    delta: byLayer(grad.delta),
    ...Object.fromEntries(Object.entries(named(grad.flat)).map(([name, layers]) => [`grad_${name}`, layers])),
    grad_a: byLayer(grad.a),
    update: { ...Object.fromEntries(moved), loss },
  };
}

const named = (params: Parameters) => Object.fromEntries(NAMES.map((name) => [name, byLayer(params[name])]));
