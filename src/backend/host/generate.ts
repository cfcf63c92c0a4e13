import { mix32 } from "../../base/random.ts";
import type { PrimitiveName } from "../../ir/graph.ts";
import { stridesOf } from "../../ir/shape.ts";
import type { Kernel } from "./kernel.ts";
import { copyFromHost } from "./storage.ts";

/** Tensors made from parameters and counters alone. */
export const generateKernels = {
  // The literal's own dtype decides its bits; rounding to the precision happens with every result.
  constant: ({ outputs: [y], params }) => copyFromHost(y!, params.data, "constant", "f64"),
  iota: ({ outputs: [y], params }) => {
    const stride = stridesOf(params.shape)[params.axis]!;
    const size = params.shape[params.axis]!;
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = Math.floor(i / stride) % size;
  },
  randomBits: ({ inputs: [key], outputs: [y] }) => {
    const [first, second] = key!.data as Uint32Array;
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = mix32(mix32(i + first!) ^ second!);
  },
} satisfies { [P in PrimitiveName]?: Kernel<P> };
