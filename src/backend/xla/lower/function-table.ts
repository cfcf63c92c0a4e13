/** @file Private functions of a module: pieces that many nodes share are written once. */
import type { TensorType } from "../../../ir/dtype.ts";
import { NameScope } from "./name-scope.ts";

/** A function that can be called. */
export interface FunctionFacts {
  readonly symbol: string;
  readonly results: readonly TensorType[];
}

export class FunctionTable {
  /** Texts of the functions, each behind those that it calls. */
  readonly texts: string[] = [];
  private readonly byKey = new Map<string, FunctionFacts>();
  private readonly symbols = new NameScope();

  constructor() {
    this.symbols.own("main");
  }

  /**
   * The function of a key, made when it is asked for the first time.
   * @param write gives the text of a function of the given symbol, and the types of its results
   */
  get(
    name: string,
    key: string,
    write: (symbol: string) => { readonly text: string; readonly results: readonly TensorType[] },
  ): FunctionFacts {
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const symbol = this.symbols.own(name);
    const { text, results } = write(symbol);
    const facts = { symbol, results };
    this.byKey.set(key, facts);
    this.texts.push(text);
    return facts;
  }
}
