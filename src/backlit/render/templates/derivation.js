// Steps open and close by themselves (details).  This walks them by arrow keys, follows links into closed ones, shows
// the entry that is chosen in a matrix, and prints all.
const steps = [...document.querySelectorAll("details.step")];
const all = [...document.querySelectorAll("details")];
const heads = steps.map((step) => step.querySelector("summary"));

function named(hash) {
  try { return hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null; } catch { return null; }
}

function reveal(target) {
  for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  if (target.matches(".entry")) choose(target);
  const head = target.matches("details") ? target.querySelector("summary") : target;
  head.focus({ preventScroll: true });
  target.scrollIntoView({ block: "start" });
}

function follow() {
  const target = named(location.hash);
  if (target) reveal(target);
}

// One entry of a matrix, alone: its cell is marked, its line is shown, the others wait.
function choose(entry) {
  const view = entry.closest(".entries"), step = entry.closest(".step");
  view.open = true;
  view.classList.add("one");
  view.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
  entry.classList.add("chosen");
  const button = view.querySelector("button");
  if (button) button.hidden = false;
  for (const cell of step.querySelectorAll("table.m a")) {
    if (named(cell.hash) === entry) cell.setAttribute("aria-current", "true"); else cell.removeAttribute("aria-current");
  }
}

function showAll(view) {
  view.classList.remove("one");
  view.querySelector("button").hidden = true;
  view.closest(".step").querySelectorAll("[aria-current]").forEach((cell) => cell.removeAttribute("aria-current"));
}

function pick(cell) {
  const entry = named(cell.hash);
  choose(entry);
  history.replaceState(null, "", cell.hash);
}

function isCell(link) {
  const entry = link && link.matches && link.matches("table.m a") ? named(link.hash) : null;
  return Boolean(entry && entry.matches(".entry") && entry.closest(".step") === link.closest(".step"));
}

function moveInMatrix(cell, right, down) {
  const at = cell.closest("td"), row = at.parentElement, rows = [...row.parentElement.rows];
  let r = rows.indexOf(row), c = at.cellIndex;
  for (;;) {
    r += down; c += right;
    const next = rows[r] && rows[r].cells[c];
    if (!next) return;
    const link = next.querySelector("a");
    if (isCell(link)) { link.focus(); pick(link); return; }
  }
}

function walk(by) {
  const now = heads.indexOf(document.activeElement);
  const here = now >= 0 ? now : steps.findIndex((step) => step.contains(document.activeElement));
  const next = Math.max(0, Math.min(heads.length - 1, here < 0 ? 0 : here + by));
  reveal(steps[next]);
  history.replaceState(null, "", "#" + encodeURIComponent(steps[next].id));
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const on = document.activeElement;
  if (event.key === "Escape" && on.closest(".step")) { on.closest(".step").querySelector("summary").focus(); return; }
  const right = { ArrowRight: 1, ArrowLeft: -1 }[event.key] || 0, down = { ArrowDown: 1, ArrowUp: -1 }[event.key] || 0;
  if (!right && !down) return;
  if (isCell(on)) {
    event.preventDefault();
    moveInMatrix(on, right, down);
  } else if (!on.classList.contains("scroll") && (right || heads.includes(on))) {
    event.preventDefault();
    walk(right || down);
  }
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const hash = link.getAttribute("href");
  if (isCell(link)) {
    event.preventDefault();
    link.focus();
    pick(link);
  } else if (named(hash) && named(location.hash) === named(hash)) {
    reveal(named(hash)); // the address stays as it is, so that no change of it is told
  }
});
for (const view of document.querySelectorAll(".entries")) {
  const button = view.querySelector("button");
  if (button) button.addEventListener("click", () => showAll(view));
}
document.getElementById("open-all").addEventListener("click", () => all.forEach((one) => (one.open = true)));
document.getElementById("close-all").addEventListener("click", () => all.forEach((one) => (one.open = false)));
let before = [];
addEventListener("beforeprint", () => { before = all.map((one) => one.open); all.forEach((one) => (one.open = true)); });
addEventListener("afterprint", () => all.forEach((one, n) => (one.open = before[n])));
addEventListener("hashchange", follow);
follow();
