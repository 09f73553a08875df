// Training and fine maps of large networks, in a worker that runs this same file, so that the page stays live.

import { Mat } from "./core/matrix";
import { Parameters } from "./core/network";
import type { State } from "./core/optimizers";
import { read, write, type Problem } from "./core/problem";
import { advanced, predictions, type Advanced } from "./core/training";

export const LARGE = 2000; // parameters from where on a network is worked on beside the page

export const isLarge = (problem: Problem): boolean => problem.params.theta.length > LARGE;

/** A problem as a file, or "" where it is the one that was sent last; and its parameters. */
interface Sent {
  id: number;
  file: unknown;
  theta: Float64Array;
  ask: { steps: number; t: number; state: State } | { grid: Float64Array };
}

// --- in the page ------------------------------------------------------------------------------------------------------

/** This file's own text, which the worker runs too. */
export const code = { text: "" };
let worker: Worker | null | undefined;
const waiting = new Map<number, (answer: unknown) => void>();
let count = 0;
let last: Record<string, unknown> = {};

/** Whether there is a worker; it is started when it is first asked for. */
export function hasWorker(): boolean {
  if (worker === undefined) worker = started();
  return worker !== null;
}

function started(): Worker | null {
  const plain = code.text.replace(/export\{[^}]*\};\s*$/, ""); // a page opened from a file may start plain scripts alone
  try {
    const made = new Worker(URL.createObjectURL(new Blob([plain])));
    made.onmessage = ({ data: [id, answer] }: MessageEvent<[number, unknown]>) => {
      waiting.get(id)?.(answer);
      waiting.delete(id);
    };
    made.onerror = () => {
      worker = null; // from now on the page works by itself
      for (const done of waiting.values()) done(null);
    };
    return made;
  } catch {
    return null; // where pages may have none
  }
}

/** What the worker answers; null where it failed. */
function asked<T>(problem: Problem, ask: Sent["ask"]): Promise<T | null> {
  const now = { ...problem, params: null };
  const file = Object.entries(now).every(([key, value]) => last[key] === value) ? "" : write(problem);
  last = now;
  return new Promise((done) => {
    waiting.set(++count, done as (answer: unknown) => void);
    worker!.postMessage({ id: count, file, theta: problem.params.theta, ask } satisfies Sent);
  });
}

export const advancedBeside = (problem: Problem, t: number, state: State, steps: number): Promise<Advanced | null> => asked(problem, { steps, t, state });

/** What the network gives for inputs, once the worker has found it. */
export const predictionsBeside = (problem: Problem, X: Mat): Promise<Mat | null> => asked(problem, { grid: X.d });

// --- in the worker ----------------------------------------------------------------------------------------------------

/** Answer what the page asks. */
export function serve(): void {
  let held: Problem;
  addEventListener("message", ({ data }: MessageEvent<Sent>) => {
    if (data.file) held = read(data.file);
    const problem = { ...held, params: new Parameters(held.net, data.theta) };
    const { ask } = data;
    const answer = "grid" in ask ? predictions(problem, new Mat(ask.grid.length / held.net.inputs, held.net.inputs, ask.grid)) : advanced(problem, ask.t, ask.state, ask.steps);
    (postMessage as (message: unknown) => void)([data.id, answer]);
  });
}
