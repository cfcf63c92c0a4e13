import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { normal } from "./initializer.ts";
import { Embedding, LayerNorm, Linear } from "./layers.ts";
import { Module } from "./module.ts";
import { quantizableWeights, quantizeWeight } from "./quantization.ts";

const init = normal(0.02);

class Network extends Module {
  readonly table = new Embedding(100, 8, init);
  readonly layers = [new Linear(8, 64, init), new Linear(64, 96, init)];
  readonly norm = new LayerNorm(96, 1e-5);
  readonly head = new Linear(96, 3, init);
}

describe("quantization", () => {
  it("takes the weights of wide linear layers only (catches tables, gains, biases and heads in 8 bits)", () => {
    const network = new Network();
    expect([...quantizableWeights(network)]).toEqual(network.layers.map(({ weight }) => weight));
  });

  it("is within half a level of every weight, transposed, each output with its own scale", () => {
    const [outputs, inputs] = [37, 20];
    const random = new Random(1, "weights");
    // Outputs of very different sizes: one scale for all would lose the small ones.
    const weight = Float32Array.from({ length: outputs * inputs }, (_, k) =>
      k < inputs ? 0 : random.nextNormal() * 10 ** ((k / inputs) % 5),
    );
    const { levels, scale } = quantizeWeight(weight, outputs);
    for (let o = 0; o < outputs; o++) {
      let most = 0;
      for (let i = 0; i < inputs; i++) {
        const level = levels[i * outputs + o]!;
        most = Math.max(most, Math.abs(level));
        expect(Math.abs(level * scale[o]! - weight[o * inputs + i]!)).toBeLessThanOrEqual(0.501 * scale[o]!);
      }
      expect(most).toBe(o === 0 ? 0 : 127);
    }
  });
});
