// Steps open and close by themselves (details).  This walks them by arrow keys, follows links into closed ones, lights
// in the drawing what a step is about, shows one example at a time and the entry that is chosen, and prints all.
const steps = [...document.querySelectorAll("details.step")];
const all = [...document.querySelectorAll("details")];
const heads = steps.map((step) => step.querySelector("summary"));

function named(hash) {
  try { return hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null; } catch { return null; }
}

function reveal(target) {
  for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  if (target.matches(".entry")) choose(target);
  const step = target.closest(".step"), head = target.matches("details") ? target.querySelector("summary") : target;
  head.focus({ preventScroll: true });
  (step || target).scrollIntoView({ block: "start" }); // with its title
  if (target !== step && target.getBoundingClientRect().bottom > innerHeight) target.scrollIntoView({ block: "center" });
  if (step) light(step);
}

// --- what the step at hand is about, in the drawing and among the steps

const LAYER = /\[(\d+)\]/;

function light(step) {
  const l = Number((LAYER.exec(step.id) || [])[1] || -1), weights = /^(z|grad_W|update_W|grad_a)/.test(step.id);
  for (const link of document.querySelectorAll(".network a")) {
    const hash = decodeURIComponent(link.getAttribute("href").slice(1)), of = Number((LAYER.exec(hash) || [])[1] || -2);
    link.classList.toggle("lit", of === l && (!hash.startsWith("grad_W") || weights));
  }
  for (const link of document.querySelectorAll(".steps a"))
    if (named(link.hash) === step) {
      link.setAttribute("aria-current", "step");
      const row = link.closest(".steps"), box = link.getBoundingClientRect(), around = row.getBoundingClientRect();
      if (box.left < around.left || box.right > around.right) row.scrollLeft += box.left - around.left - around.width / 2;
    } else link.removeAttribute("aria-current");
}

// --- one example at a time, beside it what all of them give together

const choosers = [...document.querySelectorAll("[name=example]")];

function showExample(which) {
  for (const one of document.querySelectorAll("[data-of]"))
    one.classList.toggle("other", one.dataset.of !== which && (one.matches(".entry") ? which !== "all" : one.dataset.of !== "all" || one.matches(".result")));
  if (which === "all") document.querySelector(".network [data-of='1']")?.classList.remove("other");
}

for (const one of choosers) one.addEventListener("change", () => showExample(one.value));
if (choosers.length) showExample("1");

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

let walked = null;

function walk(by) {
  const now = heads.indexOf(document.activeElement);
  const here = now >= 0 ? now : steps.findIndex((step) => step.contains(document.activeElement));
  const at = here < 0 ? steps.findIndex((step) => named(location.hash) === step) : here;
  const next = Math.max(0, Math.min(heads.length - 1, at < 0 ? 0 : at + by));
  if (walked && walked !== steps[next]) walked.open = false; // what walking opened, walking closes
  walked = steps[next].open ? null : steps[next];
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
for (const step of steps) {
  step.addEventListener("focusin", () => light(step));
  step.addEventListener("toggle", () => step.open && step.contains(document.activeElement) && light(step));
}
document.getElementById("back").addEventListener("click", () => walk(-1));
document.getElementById("on").addEventListener("click", () => walk(1));
const side = document.querySelector(".side"), root = document.documentElement;
new ResizeObserver(() => {
  const above = getComputedStyle(side.parentElement).display === "block"; // else it stands beside
  root.style.setProperty("--top", above ? `${Math.round(side.getBoundingClientRect().height)}px` : "0px");
}).observe(side);
document.getElementById("open-all").addEventListener("click", () => all.forEach((one) => (one.open = true)));
document.getElementById("close-all").addEventListener("click", () => all.forEach((one) => (one.open = false)));
let before = [];
addEventListener("beforeprint", () => { before = all.map((one) => one.open); all.forEach((one) => (one.open = true)); });
addEventListener("afterprint", () => all.forEach((one, n) => (one.open = before[n])));
addEventListener("hashchange", follow);
follow();
