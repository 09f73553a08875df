// Steps open and close by themselves (details); this walks them by arrow keys, follows links into closed ones, and prints all.
const steps = [...document.querySelectorAll("details.step")];
const all = [...document.querySelectorAll("details")];
const heads = steps.map((step) => step.querySelector("summary"));

function reveal(target) {
  for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  const head = target.matches("details") ? target.querySelector("summary") : target;
  head.focus({ preventScroll: true });
  target.scrollIntoView({ block: "start" });
}

function follow() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) reveal(target);
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
  const onHead = heads.includes(document.activeElement);
  const scrolls = document.activeElement.classList.contains("scroll");
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: onHead ? 1 : 0, ArrowUp: onHead ? -1 : 0 }[event.key];
  if (!by || scrolls) return;
  event.preventDefault();
  walk(by);
});
document.getElementById("open-all").addEventListener("click", () => all.forEach((one) => (one.open = true)));
document.getElementById("close-all").addEventListener("click", () => all.forEach((one) => (one.open = false)));
let before = [];
addEventListener("beforeprint", () => { before = all.map((one) => one.open); all.forEach((one) => (one.open = true)); });
addEventListener("afterprint", () => all.forEach((one, n) => (one.open = before[n])));
addEventListener("hashchange", follow);
follow();
