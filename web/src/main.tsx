export { quantities } from "./core/training";
export { read, write } from "./core/problem";
