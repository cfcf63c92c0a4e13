export * from "./elementwise.ts";
export * from "./fused.ts";
export * from "./linear-algebra.ts";
export * from "./movement.ts";
export * from "./random.ts";
export * from "./reduction.ts";
export * from "./scan.ts";
