import { openAiGptFamily as family } from "../../src/models/openai-gpt/family.ts";
import { describeCausalParity } from "../support/causal-parity.ts";

describeCausalParity({
  name: "openai-gpt",
  pretraining: async (folder) => {
    const loaded = await family.loadPretraining(folder, 0);
    return { ...loaded, map: family.weightMap(loaded.config) };
  },
  classification: async (folder) => {
    const loaded = await family.loadClassification(folder, 0);
    return { ...loaded, map: family.weightMap(loaded.config) };
  },
});
