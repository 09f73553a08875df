// What the page holds: networks in training, the step that is open, and the ways in which they change.

import { computed, signal } from "@preact/signals";
import { ProblemError } from "./core/checks";
import { Mat } from "./core/matrix";
import { Parameters } from "./core/network";
import { start, type State } from "./core/optimizers";
import { read, write, type Problem, type ProblemFile } from "./core/problem";
import { advanced, optimizerOf, passes, quantities, type Advanced } from "./core/training";
import { advancedBeside, hasWorker, isLarge } from "./worker";
import { sceneOf } from "./describe";
import { steps, type Place, type Scene, type Step } from "./steps";

/** One network in training: its numbers now, and what they were. */
export interface Run {
  name: string;
  problem: Problem;
  loaded: Problem;
  t: number;
  state: State;
  losses: number[];
  trail: Float64Array[];
}

export type Tab = "loss" | "flow" | "units" | "path" | "network" | "data";
export type Theme = "auto" | "light" | "dark";
export type Playing = "no" | "train" | "watch";

export const run = signal<Run>(null as unknown as Run);
export const rival = signal<Run | null>(null);
export const open = signal(0);
export const place = signal<Place>({ i: 0, j: 0, k: 0 });
export const tab = signal<Tab>("flow");
export const playing = signal<Playing>("no");
export const speed = signal(2);
export const theme = signal<Theme>("auto");
export const predicting = signal(false);
export const revealed = signal(false);
export const message = signal("");
export const stopped = signal("");
const past = signal<{ run: Run; rival: Run | null }[]>([]);

export const canUndo = computed(() => past.value.length > 0);

/** The scene of the present numbers; what went wrong, where the loss is not defined or the numbers are not finite. */
export const now = computed<{ scene: Scene | null; error: string }>(() => {
  const { problem, t, state } = run.value;
  try {
    return { scene: sceneOf(problem, t, state), error: "" };
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return { scene: null, error: error.message };
  }
});
export const list = computed<Step[]>(() => (now.value.scene ? steps(now.value.scene) : []));
export const current = computed<Step | null>(() => list.value[Math.min(open.value, list.value.length - 1)] ?? null);
/** The place that is open, within what the current step has. */
export const spot = computed<Place>(() => {
  const step = current.value;
  const { problem } = run.value;
  const { i, j, k } = place.value;
  const example = Math.min(i, problem.X.m - 1);
  if (!step || typeof step.values === "number") return { i: example, j: 0, k: 0 };
  if (!(step.values instanceof Mat)) {
    const length = step.entries === "example" ? 1 : step.values.length;
    return { i: example, j: Math.min(j, length - 1), k: 0 };
  }
  if (step.entries === "weight") return { i: example, j: Math.min(j, step.values.m - 1), k: Math.min(k, step.values.n - 1) };
  return { i: example, j: Math.min(j, step.values.n - 1), k: 0 };
});

// --- loading ----------------------------------------------------------------------------------------------------------

const begin = (name: string, problem: Problem): Run => ({
  name,
  problem,
  loaded: problem,
  t: 0,
  state: start(optimizerOf(problem), problem.params.theta),
  losses: [],
  trail: [problem.params.theta],
});

/** Open a problem file's content, with its rival where it is a comparison; throws a ProblemError of one sentence. */
export function load(content: unknown, name = "problem", second: unknown = null): void {
  const problem = read(content);
  const other = second === null ? null : begin("B", read(second));
  passes(problem, problem.params, 0); // where the loss is not defined at an output, this says so
  if (run.value) remember();
  playing.value = "no";
  stopped.value = "";
  run.value = { ...begin(name, problem) };
  rival.value = other;
  place.value = { i: 0, j: 0, k: 0 };
  open.value = Math.max(0, list.value.findIndex((one) => one.id === "delta[1]"));
  revealed.value = false;
}

/** Change the open problem as a file and read it again; what is wrong with it becomes the message. */
export function edit(change: (file: ProblemFile) => void): boolean {
  const file = write(run.value.problem);
  try {
    change(file);
    const problem = read(file);
    passes(problem, problem.params, 0);
    remember();
    const same = problem.params.theta.length === run.value.problem.params.theta.length;
    run.value = { ...begin(run.value.name, problem), loaded: same ? run.value.loaded : problem };
    message.value = "";
    return true;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    message.value = error.message;
    return false;
  }
}

/** Set one parameter; training goes on from there. */
export function setParameter(e: number, value: number): void {
  if (!Number.isFinite(value)) return;
  remember();
  const theta = run.value.problem.params.theta.slice();
  theta[e] = value;
  run.value = { ...run.value, problem: withTheta(run.value.problem, theta) };
  stopped.value = "";
}

export const withTheta = (problem: Problem, theta: Float64Array): Problem => ({
  ...problem,
  params: new Parameters(problem.net, theta),
});

/** Put other examples in place of those there are. */
export function setData(X: number[][], y: number[][]): void {
  edit((file) => {
    const kept = run.value.problem.labels;
    Object.assign(file, { x: X, y: kept ? y.map((row) => row.indexOf(Math.max(...row))) : y });
    if (file.sample_weight) {
      const weights = file.sample_weight as number[];
      file.sample_weight = X.map((_, i) => weights[i] ?? 1);
    }
  });
}

function remember(): void {
  past.value = [...past.value.slice(-49), { run: run.value, rival: rival.value }];
}

export function undo(): void {
  const last = past.value.at(-1);
  if (!last) return;
  playing.value = "no";
  past.value = past.value.slice(0, -1);
  run.value = last.run;
  rival.value = last.rival;
  stopped.value = "";
  message.value = "";
}

/** The loaded numbers again, to the bit. */
export function reset(): void {
  remember();
  playing.value = "no";
  run.value = begin(run.value.name, run.value.loaded);
  if (rival.value) rival.value = begin(rival.value.name, rival.value.loaded);
  stopped.value = "";
  revealed.value = false;
}

// --- stepping and training --------------------------------------------------------------------------------------------

export function go(to: number): void {
  playing.value = playing.value === "watch" ? "no" : playing.value;
  openStep(to);
}

export function openStep(to: number): void {
  open.value = Math.max(0, Math.min(list.value.length - 1, to));
  revealed.value = false;
}

/** What optimizer steps made of a run, beside what it was. */
function moved(from: Run, by: Advanced): Run {
  const { theta, state, t, losses, trail } = by;
  return { ...from, problem: withTheta(from.problem, theta), t, state, losses: [...from.losses, ...losses], trail: thinned([...from.trail, ...trail]) };
}

/** At most some hundred points of a trajectory. */
function thinned(trail: Float64Array[]): Float64Array[] {
  return trail.length <= 400 ? trail : trail.filter((_, k) => k % 2 === 0 || k === trail.length - 1);
}

let awaited = false; // steps that the worker takes

/** Take optimizer steps in all networks, on one clock; those of large networks are taken beside the page. */
export function advance(count: number): void {
  if (awaited) return;
  const [first, second] = [run.value, rival.value];
  const both = second ? [first, second] : [first];
  if (!both.some((one) => isLarge(one.problem)) || !hasWorker()) {
    arrived(both.map((one, k) => advanced(one.problem, one.t, one.state, count, k === 0 ? now.value.scene : null)));
    return;
  }
  awaited = true;
  void Promise.all(both.map((one) => advancedBeside(one.problem, one.t, one.state, count))).then((made) => {
    awaited = false;
    if (run.value === first && rival.value === second && !made.includes(null)) arrived(made as Advanced[]); // else something was changed meanwhile
  });
}

/** Take over what steps made of both runs. */
function arrived([first, second]: Advanced[]): void {
  run.value = moved(run.value, first!);
  if (second && rival.value) rival.value = moved(rival.value, second);
  const bad = [first!.bad, second?.bad && `B: ${second.bad}`].filter(Boolean).join("; ");
  if (!bad) return;
  playing.value = "no";
  stopped.value = whereItStopped(bad, first!.t);
}

function whereItStopped(bad: string, t: number): string {
  const found = /^(?:B: )?(\w+)\[(\d+)\]$/.exec(bad);
  const equations: Record<string, string> = { z: "F1", u: "F1", h: "F2", a: "F2", grad_a: "BP1", delta: "BP2", grad_W: "BP4" };
  if (!found) return bad === "loss" ? `Training stopped at step ${t}: the cost is not finite (C1). Undo, or lower the learning rate.` : `Training stopped at step ${t}: ${bad}`;
  const equation = equations[found[1]!];
  return `Training stopped at step ${t}: ${found[1]} of layer ${found[2]} is not finite${equation ? ` (${equation})` : ""}. Undo, or lower the learning rate.`;
}

export function train(): void {
  if (playing.value === "train") {
    playing.value = "no";
    return;
  }
  remember();
  stopped.value = "";
  if (run.value.t === 0 && tab.value === "flow" && !rival.value) tab.value = "loss"; // where there is something to see
  playing.value = "train";
}

export function oneStep(): void {
  remember();
  stopped.value = "";
  advance(1);
}

// --- comparing --------------------------------------------------------------------------------------------------------

/** A second network from the same numbers, or none. */
export function compare(): void {
  remember();
  rival.value = rival.value ? null : begin("B", run.value.loaded);
  if (rival.value) {
    run.value = begin(run.value.name, run.value.loaded);
    tab.value = "loss";
  }
}

export function editRival(change: (file: ProblemFile) => void): void {
  if (!rival.value) return;
  const file = write(rival.value.loaded);
  try {
    change(file);
    const problem = read(file);
    passes(problem, problem.params, 0);
    remember();
    rival.value = begin("B", problem);
    run.value = begin(run.value.name, run.value.loaded);
    message.value = "";
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    message.value = error.message;
  }
}

/** In what two problem files differ, numbers of weights and data apart. */
export function differences(a: Problem, b: Problem): string[] {
  const found: string[] = [];
  const compareAt = (left: unknown, right: unknown, path: string): void => {
    if (JSON.stringify(left) === JSON.stringify(right)) return;
    if (/\b(W|b|gamma|beta|x|y)$/.test(path)) found.push(`${path} (numbers)`);
    else if (left && right && typeof left === "object" && typeof right === "object")
      for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
        compareAt((left as ProblemFile)[key], (right as ProblemFile)[key], path ? `${path}.${key}` : key);
    else found.push(`${path}: ${said(left)} against ${said(right)}`);
  };
  compareAt(write(a), write(b), "");
  return found.map((line) => line.replace(/layers\.(\d+)\.?/, (_, k: string) => `layer ${Number(k) + 1} `));
}

const said = (value: unknown): string => (value === undefined ? "none" : typeof value === "object" ? JSON.stringify(value) : String(value));

// --- what programs ask ------------------------------------------------------------------------------------------------

export const problemNow = (): ProblemFile => write(run.value.problem);

/** The JSON of `explain` for the problem as it stands, of which these are the first steps. */
export const quantitiesNow = (): Record<string, unknown> => quantities(run.value.problem);
