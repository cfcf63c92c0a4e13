import type { Graph } from "../graph.ts";
import { commonSubexpressions } from "./common.ts";
import { constantFolding } from "./fold.ts";
import { identities } from "./identity.ts";
import { rewriteGraph } from "./rewrite.ts";

/**
 * The same function with less work: constants folded, operations without effect left out, equal ones computed once,
 * unused ones dropped. Only for graphs that will not be differentiated any more (`stopGradient` goes).
 */
export function optimize(graph: Graph): Graph {
  return rewriteGraph(graph, () => [identities(), constantFolding(), commonSubexpressions()]);
}
