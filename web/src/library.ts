// What comes with the page as data: networks to open by name, and the catalogue's words on mistakes.

import { load } from "./state";

export interface Preset {
  name: string;
  words: string;
  problem: object;
  /** What B says otherwise, where two are compared. */
  rival?: object;
}

export interface Library {
  presets: Preset[];
  mistakes: Record<string, [words: string, fix: string]>;
}

export const library: Library = { presets: [], mistakes: {} };

export function openPreset({ name, problem, rival }: Preset): void {
  load(problem, name, rival ? { ...problem, ...rival } : null);
}
