/** @file The tensor functions that rules are written with, under one import. */
export * from "../tensor/elementwise.ts";
export * from "../tensor/linear-algebra.ts";
export * from "../tensor/movement.ts";
export { max, mean, square, sum } from "../tensor/reduction.ts";
