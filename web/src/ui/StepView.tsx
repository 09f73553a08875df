// The open step: formula, one entry in numbers, a sentence, shapes and a check; or, first, a question.

import { useState } from "preact/hooks";
import tables from "../tables.json";
import { check } from "../check";
import { Mat } from "../core/matrix";
import { equals, gets, mathml, say } from "../mathml";
import type { Entry, Step } from "../steps";
import { library } from "../library";
import { current, now, place, predicting, playing, revealed, rival, run, spot } from "../state";

/** MathML of our own templates and numbers; nothing that came from outside is ever put in here. */
export const Maths = ({ of, block = false }: { of: string; block?: boolean }) =>
  block ? <div class="formula scroll" tabIndex={0} role="group" aria-label="Formula" dangerouslySetInnerHTML={{ __html: mathml(of) }} /> : <span dangerouslySetInnerHTML={{ __html: mathml(of) }} />;

const WAYS = { forward: "▲ forward", backward: "▼ backward", update: "● update" };

export function StepView() {
  const step = current.value;
  if (!step)
    return <section class="panel step" aria-label="This step"><h2>This step</h2><p role="status">{now.value.error}</p></section>;
  const at = spot.value;
  const entry = step.entry(at);
  const asked = predicting.value && !revealed.value && playing.value === "no" && step.kind !== "update_loss";
  const source = Object.entries(tables.sources).find(([, equations]) => equations.split(" ").includes(step.equation))?.[0];
  return (
    <section class={`panel step ${step.way}`} aria-label="This step">
      <h2><span class="way">{WAYS[step.way]}</span> {step.equation && <span class="equation" title={source}>{step.equation}</span>} {step.title}</h2>
      <div class="live" aria-live="polite" role="status"><p class="sentence">{step.sentence}</p></div>
      <Maths of={whole(step)} block />
      {asked ? <Question key={`${step.id} ${at.i} ${at.j} ${at.k} ${run.value.t}`} entry={entry} step={step} /> : <Answer step={step} entry={entry} />}
    </section>
  );
}

/** δ₁ = ∂ℓ/∂a₁ ⊙ σ′(z₁), and what a function by name stands for. */
function whole(step: Step): string {
  const sides = [step.left, step.formula, step.meaning ?? ""].filter(Boolean);
  return step.way === "update" && sides.length > 1 && step.kind.startsWith("update") ? gets(sides[0]!, sides[1]!) : sides.reduce(equals);
}

function Answer({ step, entry }: { step: Step; entry: Entry }) {
  const at = spot.value;
  const found = playing.value === "train" ? null : checked(step);
  return (
    <>
      <Maths of={entry.line} block />
      {rival.value && <p class="soft">These are network A's numbers.</p>}
      <p class="facts">
        {found && <span class={found.digits >= 5 ? "check" : "check wrong"}>{found.digits >= 5 ? "✓" : "✗"} measured by differences of C: {say(found.slope)}{found.digits >= 5 ? `, ${Math.min(found.digits, 15)} digits agree` : ", at a kink or in rounding"}</span>}
        {step.shapes.map(([symbol, size]) => <span class="shape"><Maths of={symbol} /> {size}</span>)}
      </p>
      <Chooser step={step} />
      <p class="soft where">{whereOf(step, at)}</p>
    </>
  );
}

function checked(step: Step) {
  const { scene } = now.value;
  const parameters = run.value.problem.params.theta.length * run.value.problem.X.m;
  return scene && parameters <= 20000 ? check(scene, step, spot.value, run.value.t) : null;
}

function whereOf(step: Step, at: { i: number; j: number; k: number }): string {
  if (step.entries === "one") return "";
  const unit = step.id === "ell" ? "" : step.entries === "weight" ? `, unit ${at.j + 1}, from ${at.k + 1} below` : `, unit ${at.j + 1}`;
  return step.entries === "example" ? `Example ${at.i + 1} of ${run.value.problem.X.m}${unit}.` : `Over all ${run.value.problem.X.m === 1 ? "of one example" : `${run.value.problem.X.m} examples`}${unit}.`;
}

const MOST = 24; // buttons of one table; beyond, numbers are chosen by index

/** The step's numbers, each a button that works it; and the example. */
function Chooser({ step }: { step: Step }) {
  const at = spot.value;
  const { m } = run.value.problem.X;
  const values = step.values;
  const rows =
    typeof values === "number" ? [] : !(values instanceof Mat) ? (step.id === "ell" ? [] : [Array.from(values)]) : step.entries === "weight" ? values.rows() : [Array.from(values.row(at.i))];
  const small = rows.length * (rows[0]?.length ?? 0) <= MOST * 3 && (rows[0]?.length ?? 0) <= MOST;
  const pick = (row: number, column: number) => (place.value = step.entries === "weight" ? { ...at, j: row, k: column } : { ...at, j: column });
  const chosen = (row: number, column: number) => (step.entries === "weight" ? at.j === row && at.k === column : at.j === column);
  return (
    <div class="chooser">
      {m > 1 && (
        <div class="example" role="group" aria-label="Example">
          <button type="button" aria-label="Previous example" disabled={at.i === 0} onClick={() => (place.value = { ...at, i: at.i - 1 })}>‹</button>
          <span>example {at.i + 1} of {m}</span>
          <button type="button" aria-label="Next example" disabled={at.i === m - 1} onClick={() => (place.value = { ...at, i: at.i + 1 })}>›</button>
        </div>
      )}
      {small && rows.length > 0 && (
        <div class="scroll values" tabIndex={0} role="group" aria-label="All entries of this step">
          <table class="m"><tbody>
            {rows.map((row, r) => <tr>{row.map((value, c) => <td><button type="button" aria-pressed={chosen(r, c)} onClick={() => pick(r, c)}>{say(value)}</button></td>)}</tr>)}
          </tbody></table>
        </div>
      )}
      {!small && (
        <div class="example">
          <label>unit <input type="number" min="1" value={at.j + 1} onChange={(e) => (place.value = { ...at, j: Math.max(0, Number(e.currentTarget.value) - 1) })} /></label>
          {step.entries === "weight" && <label>from <input type="number" min="1" value={at.k + 1} onChange={(e) => (place.value = { ...at, k: Math.max(0, Number(e.currentTarget.value) - 1) })} /></label>}
        </div>
      )}
    </div>
  );
}

/** What is the number?  Right, or the mistake of the catalogue that gives what was typed. */
function Question({ entry, step }: { entry: Entry; step: Step }) {
  const [said, answer] = useState<string>("");
  const [left] = entry.line.split(/<mo form="infix">[=≈←]<\/mo>/);
  const judge = (event: Event) => {
    event.preventDefault();
    const typed = (event.currentTarget as HTMLFormElement).elements.namedItem("answer") as HTMLInputElement;
    answer(verdict(typed.value, entry));
  };
  return (
    <form class="question" onSubmit={judge}>
      <p><Maths of={left!} /> = <input name="answer" type="text" inputMode="decimal" autocomplete="off" aria-label="Your number, or its sign" placeholder="number, + or −" /> <button type="submit" class="strong">Check</button> <button type="button" onClick={() => (revealed.value = true)}>Show</button></p>
      <p role="status">{said || `Work it out from the formula: ${whereOf(step, spot.value)} The sign alone will do.`}</p>
    </form>
  );
}

export function verdict(text: string, entry: Entry): string {
  const typed = text.trim().replace("−", "-").replace(",", ".");
  const { value } = entry;
  if (typed === "+" || typed === "-") {
    const right = value === 0 ? false : typed === "+" === value > 0;
    return right ? "The sign is right. And the number?" : value === 0 ? "It is 0, which has no sign." : "The other sign.";
  }
  const number = Number(typed);
  if (typed === "" || !Number.isFinite(number)) return "Type a number, such as -0.25, or a sign.";
  const decimals = /^-?\d*\.?(\d*)(?:e([+-]?\d+))?$/i.exec(typed);
  const unit = 10 ** (Number(decimals?.[2] ?? 0) - (decimals?.[1]?.length ?? 0));
  const near = (of: number) => Math.abs(number - of) <= Math.max(0.51 * unit * (Math.abs(of) < unit ? 0 : 1), 5e-3 * Math.abs(of), 1e-12);
  if (near(value)) return `Right: ${say(value)}.`;
  const found = entry.mistakes.find(([, wrong]) => Math.abs(wrong - value) > 1e-9 * Math.abs(value) && near(wrong));
  if (!found) return value !== 0 && Math.sign(number) !== Math.sign(value) ? "Not so, and the sign is the other one." : "Not so; the sign is right.";
  const [words, fix] = library.mistakes[found[0]] ?? ["", ""];
  return `That is ${found[0].replaceAll("_", " ")}: ${words} ${fix}`;
}
