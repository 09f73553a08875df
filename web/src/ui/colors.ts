// Colors of the page's palette as numbers, for canvases: blue above 0, orange below, paper at 0.

type Rgb = [number, number, number];

function read(element: Element, name: string): Rgb {
  const text = getComputedStyle(element).getPropertyValue(name).trim();
  const hex = /^#([0-9a-f]{6})$/i.exec(text)?.[1] ?? "888888";
  return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16)) as Rgb;
}

const mix = (a: Rgb, b: Rgb, t: number): Rgb => a.map((v, k) => Math.round(v + (b[k]! - v) * t)) as Rgb;

/** −1 … 1 ↦ a color. */
export function diverging(element: Element): (value: number) => Rgb {
  const [paper, above, below] = ["--paper", "--series-1", "--series-2"].map((name) => read(element, name)) as [Rgb, Rgb, Rgb];
  return (value) => {
    const size = Math.min(1, Math.abs(value));
    return Number.isNaN(value) ? [136, 136, 136] : mix(paper, value >= 0 ? above : below, 0.08 + 0.77 * size);
  };
}

/** Colors of classes, mixed by their shares. */
export function classes(element: Element): (shares: ArrayLike<number>) => Rgb {
  const paper = read(element, "--paper");
  const series = [1, 2, 3, 4, 5, 6].map((k) => read(element, `--series-${k}`));
  return (shares) => {
    let best = 0;
    for (let k = 1; k < shares.length; k++) if (shares[k]! > shares[best]!) best = k;
    return mix(paper, series[best % 6]!, 0.15 + 0.55 * Math.min(1, Math.max(0, shares[best]!)));
  };
}
