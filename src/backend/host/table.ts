import type { PrimitiveName } from "../../ir/graph.ts";
import { dot } from "./dot.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { generateKernels } from "./generate.ts";
import { indexingKernels } from "./indexing.ts";
import type { Kernel } from "./kernel.ts";
import { movementKernels } from "./movement.ts";
import { reduceKernels } from "./reduce.ts";
import { scan } from "./scan.ts";

/** The kernel of every primitive. */
export const primitiveKernels: { readonly [P in PrimitiveName]: Kernel<P> } = {
  ...generateKernels,
  ...elementwiseKernels,
  dot,
  ...reduceKernels,
  ...movementKernels,
  ...indexingKernels,
  scan,
};
