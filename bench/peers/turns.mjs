// Several sides of a comparison that take turns: all stay loaded, only one is awake.

import { SideError } from "../line-process.mjs";
import { median, reasonIn } from "../section.mjs";
import { startSide } from "./stepper.mjs";

async function start(side) {
  const opened = await startSide(side);
  try {
    // Warm-up ends with the first step; another side starts only then.
    await opened.steps(1);
    return opened;
  } catch (error) {
    opened.stop();
    throw error;
  }
}

/**
 * Starts the sides one after the other, then lets each make a block of steps in every round.
 *
 * A side of ours or a peer that cannot start is left out with its reason; nothing is measured when all of ours or all
 * peers are missing.
 * @param {{ id: string, label: string, ours: boolean, command: string, args: string[], env?: Record<string, string> }[]} sides
 * @param {{ rounds: number, block: number, settle: number }} protocol the first `settle` steps of a block are not counted
 * @param {(message: string) => void} tell
 * @returns each side with `rounds` (times of each round, ms) and `report`, or with `absent`
 */
export async function takeTurns(sides, { rounds, block, settle }, tell) {
  const results = sides.map((side) => ({ side, rounds: [] }));
  const open = [];
  try {
    for (const result of results) {
      // Peers that nobody is left to be compared with need not start.
      if (!result.side.ours && !open.some(({ side }) => side.ours)) {
        result.absent = "not started: no side of ours runs";
        continue;
      }
      const began = performance.now();
      try {
        open.push({ ...result, result, process: await start(result.side) });
        tell(`${result.side.label}: ready after ${((performance.now() - began) / 1000).toFixed(0)} s`);
      } catch (error) {
        if (!(error instanceof SideError)) throw error;
        result.absent = reasonIn(error.message.replace(/^.*ended early.*\n/, ""));
        tell(`${result.side.label}: left out. ${result.absent}`);
      }
    }
    if (!open.some(({ side }) => !side.ours)) return results;
    for (let round = 0; round < rounds; round++) {
      // Another one begins in each round, so that none always runs after the same neighbour.
      for (let turn = 0; turn < open.length; turn++) {
        const { result, process } = open[(round + turn) % open.length];
        result.rounds.push((await process.steps(block)).slice(settle));
      }
      const now = open.map(({ result, side }) => `${side.label} ${median(result.rounds.at(-1)).toFixed(0)} ms`);
      tell(`round ${round + 1}/${rounds}: ${now.join(", ")}`);
    }
    for (const { result, process } of open) result.report = await process.finish();
    return results;
  } finally {
    for (const { process } of open) process.stop();
  }
}

/**
 * Cuts a comparison into groups that fit into memory together: first by our sides, then by peers.
 * @param {{ ours: boolean, gigabytes: number }[]} sides
 */
export function fittingGroups(sides, gigabytes) {
  const total = sides.reduce((sum, side) => sum + side.gigabytes, 0);
  const ours = sides.filter((side) => side.ours);
  const peers = sides.filter((side) => !side.ours);
  if (total <= gigabytes || (ours.length <= 1 && peers.length <= 1)) return [sides];
  if (ours.length > 1) return ours.flatMap((one) => fittingGroups([one, ...peers], gigabytes));
  const half = Math.ceil(peers.length / 2);
  return [peers.slice(0, half), peers.slice(half)].flatMap((part) => fittingGroups([...ours, ...part], gigabytes));
}
