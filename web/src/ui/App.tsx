// The page: the bar, the network that stays in view, the open step, the data, and the views.

import { useEffect } from "preact/hooks";
import { go, list, message, open, stopped, theme, undo, canUndo } from "../state";
import { Bar } from "./Bar";
import { DataView } from "./DataView";
import { NetworkView } from "./NetworkView";
import { Panels } from "./Panels";
import { Share } from "./Share";
import { StepView } from "./StepView";
import { Story, Tour } from "./Tour";
import { Weights } from "./Weights";
import { LEFT_OUT } from "../left_out";

export function App() {
  return (
    <div class="explorer" data-theme={theme.value} onKeyDown={keys}>
      <h1 class="sr">Backlit explorer: touch the backward pass</h1>
      <Bar />
      <Notice />
      <Share />
      <Story />
      <div class="grid">
        <div class="column">
          <div class="left">
            <NetworkView />
            <Weights />
          </div>
          <DataView />
        </div>
        <div class="column">
          <StepView />
          <Panels />
        </div>
      </div>
      <Tour />
      <footer>
        <details><summary>What this page leaves out</summary><ul>{LEFT_OUT.map(([what, words]) => <li><b>{what}</b>: {words}</li>)}</ul></details>
        <p class="soft">Every number is computed in this page, by the equations that <code>backlit explain</code> prints; nothing is sent anywhere. Keys: ← → step, Ctrl+Z undo.</p>
      </footer>
    </div>
  );
}

function Notice() {
  useEffect(() => {
    if (!message.value) return undefined;
    const timer = setTimeout(() => (message.value = ""), 12000);
    return () => clearTimeout(timer);
  }, [message.value]);
  return (
    <div class="notices" role="alert">
      {stopped.value && <p class="notice">{stopped.value} <button type="button" onClick={undo}>Take it back</button></p>}
      {message.value && <p class="notice">{message.value} <button type="button" onClick={() => (message.value = "")}>Close</button></p>}
    </div>
  );
}

/** Arrow keys step, unless a control or a map has them; Ctrl+Z takes back. */
function keys(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && canUndo.value && !/INPUT|TEXTAREA/.test(target.tagName)) {
    undo();
    event.preventDefault();
    return;
  }
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (/INPUT|SELECT|TEXTAREA/.test(target.tagName) || target.closest("[role=tablist], .map, .scroll")) return;
  if (event.key === "ArrowRight" && open.value < list.value.length - 1) go(open.value + 1);
  else if (event.key === "ArrowLeft" && open.value > 0) go(open.value - 1);
  else return;
  event.preventDefault();
}
