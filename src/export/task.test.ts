import { describe, expect, it } from "vitest";
import { exportedConfig, taskOf } from "./task.ts";

describe("taskOf", () => {
  it("knows what each class is for (a classifier exported as an encoder would lose its head unnoticed)", () => {
    const of = (name: string) => taskOf({ architectures: [name] }, "config.json");
    expect(of("BertForPreTraining")).toBe("fill-mask");
    expect(of("RobertaForMaskedLM")).toBe("fill-mask");
    expect(of("GPT2LMHeadModel")).toBe("text-generation");
    expect(of("GPT2ForSequenceClassification")).toBe("text-classification");
    expect(of("BartForConditionalGeneration")).toBe("text2text-generation");
    expect(of("RobertaForTokenClassification")).toBe("token-classification");
    expect(of("BartForQuestionAnswering")).toBe("question-answering");
    expect([of("AlbertForMultipleChoice"), of("GPT2DoubleHeadsModel")]).toEqual(["multiple-choice", "multiple-choice"]);
    expect(of("BertModel")).toBe("feature-extraction");
  });

  it("asks where a config says nothing", () => {
    expect(() => taskOf({ architectures: ["BertForNextSentencePrediction"] }, "m/config.json")).toThrow(
      /m\/config\.json: names the class BertForNextSentencePrediction.*Choose one: feature-extraction/,
    );
    expect(() => taskOf({}, "config.json")).toThrow(/names no class/);
  });
});

describe("exportedConfig", () => {
  const facts = { isQuantized: false, withData: [] };

  it("names the class that the files are, and keeps the rest", () => {
    const config = { architectures: ["BertForPreTraining"], hidden_size: 8, own: [1] };
    expect(exportedConfig(config, { ...facts, task: "fill-mask" })).toEqual({
      ...config,
      architectures: ["BertForMaskedLM"],
    });
    expect(exportedConfig(config, { ...facts, task: "feature-extraction" }).architectures).toEqual(["BertModel"]);
  });

  it("tells transformers.js of 8 bits and of numbers beside the model (it would look for another file)", () => {
    const hints = exportedConfig({}, { task: "fill-mask", isQuantized: true, withData: ["model_quantized.onnx"] });
    expect(hints["transformers.js_config"]).toEqual({
      dtype: "q8",
      use_external_data_format: { "model_quantized.onnx": true },
    });
  });

  it("drops what the source says of its own files (8 bits, where these are in 32)", () => {
    const config = { "transformers.js_config": { dtype: "q8" }, hidden_size: 8 };
    expect(exportedConfig(config, { ...facts, task: "fill-mask" })).toEqual({ hidden_size: 8 });
  });
});
