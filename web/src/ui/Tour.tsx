// What to do with the page: the story of the open example in its own numbers, and a tour of things to try.

import { library, openPreset } from "../library";
import { say } from "../mathml";
import { go, list, message, now, oneStep, playing, predicting, revealed, rival, run, spot, tab, train } from "../state";

/** The four sentences that a reader who only scrolls should have read. */
export function Story() {
  const { scene } = now.value;
  const { problem } = run.value;
  if (!scene || (predicting.value && !revealed.value)) return null; // it has the numbers that are asked for
  const { net } = problem;
  const i = spot.value.i;
  const outputs = Array.from(scene.trace.a[net.L]!.row(i)).slice(0, 4);
  const targets = Array.from(problem.y.row(i)).slice(0, 4);
  const W = scene.grad.flat.W[1]!;
  const many = problem.X.m > 1;
  return (
    <section class="story" aria-label="What happens here">
      <ol>
        <li><b class="forward">▲ Forward.</b> Each unit weighs the numbers below it, adds its bias and bends the sum. {many ? `Example ${i + 1}` : "The example"} comes out as {outputs.map((v) => say(v)).join(", ")}; it should be {targets.map((v) => say(v)).join(", ")}.</li>
        <li><b>Cost.</b> How far off that is, {many ? "averaged over all examples" : "as one number"}: C = {say(scene.grad.loss)}.</li>
        <li><b class="backward">▼ Backward.</b> Each unit learns its share of the blame, δ, from the units above it. The first weight's part is ∂C/∂W₁[1,1] = {say(W.at(0, 0))}: {W.at(0, 0) === 0 ? "it has none." : W.at(0, 0) > 0 ? "a larger weight would cost more." : "a larger weight would cost less."}</li>
        <li><b class="update">● Update.</b> Every weight takes a small step against its gradient, and the cost {playing.value === "train" ? `is ${say(scene.grad.loss)} by now` : `goes from ${say(scene.grad.loss)} to ${say(scene.after)}`}.</li>
      </ol>
    </section>
  );
}

const openNamed = (name: string): void => openPreset(library.presets.find((one) => one.name === name)!);
const openStep = (id: string): void => go(Math.max(0, list.value.findIndex((one) => one.id === id)));

const TOUR: [title: string, words: string, act: () => void][] = [
  ["Watch one pass", "Every step by itself, forward and back.", () => { openNamed("worked"); go(0); playing.value = "watch"; }],
  ["Step through δ", "The error of layer 1, in numbers.", () => { openNamed("worked"); openStep("delta[1]"); }],
  ["Guess before you see", "Type a number; a wrong one is told apart by its mistake.", () => { openNamed("worked"); predicting.value = true; openStep("delta[1]"); }],
  ["Take one step", "The cost falls; all numbers follow.", () => { predicting.value = false; oneStep(); }],
  ["Learn XOR", "A boundary that one layer cannot draw.", () => { openNamed("XOR"); tab.value = "loss"; train(); }],
  ["See it vanish", "Seven sigmoid layers beside ReLU.", () => { openNamed("deep sigmoid against ReLU"); tab.value = "flow"; }],
  ["Make it diverge", "Two learning rates, one clock.", () => { openNamed("learning rate too large"); tab.value = "loss"; train(); }],
];

export function Tour() {
  return (
    <section class="panel tour" aria-label="Things to try">
      <h2>Things to try</h2>
      <ul>{TOUR.map(([title, words, act]) => <li><button type="button" onClick={() => { message.value = ""; act(); scrollTo({ top: 0 }); }}>{title}</button> <span class="soft">{words}</span></li>)}</ul>
      {rival.value && <p class="soft">Two networks are open, A and B, from one start and on one clock.</p>}
    </section>
  );
}
