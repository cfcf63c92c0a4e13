import { leftToRightEncoder } from "../gpt2/model.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import type { OpenAiGptConfig } from "./config.ts";

/**
 * GPT: every residual sum is normalised after its part. The authors' code computes its "gelu" by tanh.
 * @source Radford et al. 2018 §3.1, §4.1
 */
export function openAiGptEncoder(config: OpenAiGptConfig): TransformerEncoder {
  return leftToRightEncoder(config, {
    normalization: "post",
    intermediateSize: 4 * config.hiddenSize,
    activation: config.hiddenAct === "gelu" ? "gelu_new" : config.hiddenAct,
  });
}
