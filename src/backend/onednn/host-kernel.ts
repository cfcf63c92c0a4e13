/** @file What a host kernel is. */
import type { HostData } from "../../ir/dtype.ts";
import type { HostStep } from "./program.ts";

/**
 * The work of one host step. Arrays begin at the operand's first element and reach to its last, counted with strides;
 * bf16 comes as raw 16-bit patterns, booleans as bytes.
 */
export type HostRun = (inputs: readonly HostData[], outputs: readonly HostData[]) => void;

/** Prepares a step once (index tables, checks of its params); what it returns runs every time. */
export type HostKernel = (step: HostStep) => HostRun;
