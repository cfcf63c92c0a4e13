import { Emitter, type Ref } from "./emitter.ts";
import { NameScope } from "./name-scope.ts";
import { signatureText, typesText, typeText } from "./type-text.ts";

type Operands = Readonly<Record<string, Ref>>;

/** Writes what a function does with its parameters, and gives its results. */
export type FunctionBody<O extends Operands> = (emitter: Emitter, parameters: O) => readonly Ref[];

function functionText<O extends Operands>(
  caller: Emitter,
  symbol: string,
  operands: O,
  body: FunctionBody<O>,
): { readonly text: string; readonly results: readonly Ref[] } {
  const names = new NameScope();
  const emitter = new Emitter(caller.module, names);
  const parameters = Object.entries(operands).map(([name, { dtype, shape }]): [string, Ref] => [
    name,
    { name: `%${names.own(name)}`, dtype, shape },
  ]);
  const results = body(emitter, Object.fromEntries(parameters) as O);
  const head = parameters.map(([, ref]) => `${ref.name}: ${typeText(ref)}`).join(", ");
  const returned = `func.return ${results.map(({ name }) => name).join(", ")} : ${typesText(results)}`;
  const text = [
    `  func.func private @${symbol}(${head}) -> (${typesText(results)}) {`,
    ...emitter.lines,
    `    ${returned}`,
    "  }",
  ].join("\n");
  return { text, results };
}

/**
 * Calls a private function, which is written when it is called with operands of such types for the first time.
 * @param params what the function's text depends on beside the types
 * @param operands by the names that the parameters have in the text
 */
export function callFunction<O extends Operands>(
  emitter: Emitter,
  name: string,
  params: unknown,
  operands: O,
  body: FunctionBody<O>,
): Ref[] {
  const refs = Object.values(operands);
  const key = JSON.stringify([name, params, refs.map(typeText)]);
  const { symbol, results } = emitter.module.functions.get(name, key, (own) =>
    functionText(emitter, own, operands, body),
  );
  const given = refs.map((ref) => ref.name).join(", ");
  return emitter.emitSeveral(name, `func.call @${symbol}(${given}) : ${signatureText(refs, results)}`, results);
}
