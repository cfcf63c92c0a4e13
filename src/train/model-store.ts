import type { Backend, Buffer, ParameterStore, Sharding } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import { sizeOf, tensorType } from "../ir/shape.ts";
import { type Module, namedParameters, type Parameter } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";

/** A model's parameters in an engine's memory, addressed by name. */
export class ModelStore {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly names: readonly string[];
  readonly store: ParameterStore;
  private readonly indices: ReadonlyMap<string, number>;

  /**
   * @param sections "value" and what else is to be kept per parameter
   * @param shardingOf how a section of a parameter lies where the engine has several devices
   */
  constructor(
    backend: Backend,
    model: Module,
    sections: readonly string[],
    shardingOf?: (section: string, parameter: Parameter) => Sharding,
  ) {
    this.parameters = namedParameters(model);
    this.names = [...this.parameters.keys()];
    this.indices = new Map(this.names.map((name, i) => [name, i]));
    const all = [...this.parameters.values()];
    this.store = backend.createStore(
      all.map(({ shape }) => tensorType("f32", shape)),
      sections,
      shardingOf && ((section, index) => shardingOf(section, all[index]!)),
    );
  }

  get numWeights(): number {
    return this.names.reduce((sum, name) => sum + sizeOf(this.parameters.get(name)!.shape), 0);
  }

  buffer(section: string, name: string): Buffer {
    const index = this.indices.get(name);
    if (index === undefined) throw internalError(`the model has no parameter "${name}"`);
    return this.store.buffer(section, index);
  }

  /** Fills a section; every parameter must be there. */
  write(section: string, weights: Weights): void {
    for (const name of this.names) {
      const data = weights.get(name);
      if (data === undefined) throw internalError(`no numbers for parameter "${name}"`);
      this.buffer(section, name).write(data);
    }
  }

  /** Copies a section out. */
  async read(section: string): Promise<Weights> {
    const result = new Map<string, Float32Array>();
    for (const name of this.names) {
      const data = await this.buffer(section, name).read();
      // The interpreter holds doubles.
      result.set(name, data instanceof Float32Array ? data : Float32Array.from(data));
    }
    return result;
  }

  /** Whether the engine holds the weights in double precision, as the interpreter does. */
  async holdsDoubles(): Promise<boolean> {
    const [first] = this.names;
    return first !== undefined && (await this.buffer("value", first).read()) instanceof Float64Array;
  }

  dispose(): void {
    this.store.dispose();
  }
}
