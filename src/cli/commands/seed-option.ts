import { InvalidArgumentError } from "commander";

/** Seeds as the command line gives them: `1,2,3`. */
export function parseSeeds(text: string): number[] {
  const seeds = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (seeds.every((seed) => Number.isInteger(seed) && seed >= 0)) return seeds;
  throw new InvalidArgumentError("must be whole numbers with commas, as 1,2,3.");
}

/** Shares of the training data: `1%,10%,100%` or `0.01,0.1,1`. */
export function parseShares(text: string): number[] {
  const shares = text.split(",").map((part) => {
    const word = part.trim();
    if (word === "") return Number.NaN;
    return word.endsWith("%") ? Number(word.slice(0, -1)) / 100 : Number(word);
  });
  if (shares.every((share) => share > 0 && share <= 1)) return shares;
  throw new InvalidArgumentError("must be shares in (0, 1] with commas, as 1%,10%,100%.");
}
