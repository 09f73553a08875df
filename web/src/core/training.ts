// Optimizer steps on the whole of x, and the numbers of a problem by the names of explain's JSON.

import { ProblemError } from "./checks";
import { Mat } from "./matrix";
import { Parameters, NAMES } from "./network";
import { clip, optimizer, start, type Optimizer, type State } from "./optimizers";
import { backward, firstNonFinite, forward, type Gradients, type Trace } from "./passes";
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

export interface Advanced {
  theta: Float64Array;
  state: State;
  t: number;
  losses: number[];
  /** The parameters after each step. */
  trail: Float64Array[];
  /** The first quantity that is not finite, before which it stopped; "" if all are. */
  bad: string;
}

const finite = (values: Float64Array): boolean => values.every(Number.isFinite);

/** So many optimizer steps from step t on; `known` are the passes of the first, where they are done. */
export function advanced(problem: Problem, t: number, state: State, count: number, known: Passes | null = null): Advanced {
  const made: Advanced = { theta: problem.params.theta, state, t, losses: [], trail: [], bad: "" };
  let { params } = problem;
  try {
    for (let k = 0; k < count; k++) {
      const both = k === 0 && known ? known : passes(problem, params, made.t);
      made.bad = firstNonFinite(both.trace, both.grad) ?? "";
      if (made.bad) break;
      const next = step(problem, params, both.grad, made.state, made.t + 1);
      const slot = next.after.slots.find((one) => !finite(next.after.theta.subarray(one.start, one.start + one.rows * one.columns)));
      if (slot) {
        made.bad = `update_${slot.name}[${slot.l}]`;
        break;
      }
      made.losses.push(both.grad.loss);
      made.trail.push(next.after.theta);
      params = next.after;
      Object.assign(made, { theta: params.theta, state: next.state, t: made.t + 1 });
    }
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    made.bad = error.message;
  }
  return made;
}

/** What the network gives for inputs, as in prediction: nothing is dropped, batch norm by the examples' moments. */
export function predictions(problem: Problem, X: Mat): Mat {
  const { net, params } = problem;
  const moments = net.coupled ? forward(net, params, problem.X, null) : null;
  return forward(net, params, X, null, moments ? { moments } : {}).a[net.L]!;
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
