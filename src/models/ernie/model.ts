import { bertEncoder, type EncoderChanges } from "../bert/model.ts";
import type { TransformerEncoder } from "../transformer/encoder.ts";
import type { ErnieConfig } from "./config.ts";

/**
 * BERT's encoder, with an embedding of the kind of task where it has one; the heads are BERT's too. What ERNIE differs in is
 * its objective.
 * @source Sun et al. 2019, arXiv:1904.09223; Sun et al. 2020, arXiv:1907.12412 (kinds of task)
 */
export function ernieEncoder(config: ErnieConfig, changes: Pick<EncoderChanges, "pools"> = {}): TransformerEncoder {
  const taskTypeVocabSize = config.useTaskId ? config.taskTypeVocabSize : 0;
  return bertEncoder(config, { ...changes, embeddings: { taskTypeVocabSize } });
}
