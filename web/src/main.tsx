export { quantities } from "./core/training";
export { read, write } from "./core/problem";
export { describe } from "./describe";
