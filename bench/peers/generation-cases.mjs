// What the generation comparison runs, and what is to be reached.

/** Tokens of each prompt and those written. */
export const promptTokens = 64;
export const newTokens = 64;

/** Texts written side by side. */
export const works = {
  one: { title: "One text", batch: 1, protocol: { rounds: 5, block: 3, settle: 1 } },
  eight: { title: "Eight texts side by side", batch: 8, protocol: { rounds: 5, block: 2, settle: 0 } },
};

/** Least ratio of a peer's time to ours. */
export const targetOf = (ours, peer) => (ours === "f32" && peer === "pytorch-f32" ? 1.2 : undefined);

/** Ids of the prompts, the same for all sides. */
export function promptsOf(batch) {
  let state = 12_345;
  const next = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return 1 + Math.floor((state / 2 ** 32) * 50_000);
  };
  return Array.from({ length: batch }, () => Array.from({ length: promptTokens }, next));
}
