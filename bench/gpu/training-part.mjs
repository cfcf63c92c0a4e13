// Pre-training steps: the sides of a work take turns on one device.

import { join } from "node:path";
import { here } from "./place.mjs";
import { openSide } from "./side.mjs";
import { sides } from "./works.mjs";

/** How a side is started. */
async function commandOf({ label, kind, dtype, compile }, work, place, lateMs) {
  const { device, python } = place.options;
  const { model, vocab, batch, seq, attentionDropout } = work;
  const shape = Object.entries({ model, vocab, batch, seq, "attention-dropout": attentionDropout }).flatMap(
    ([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]),
  );
  if (kind === "firth") {
    return {
      label,
      command: process.execPath,
      args: place.firth("firth-side.mjs", ...shape, "--dtype", place.dtype),
    };
  }
  if (kind === "torch") {
    const own = ["--dtype", dtype, "--device", device, "--optimizer", "fused", ...(compile ? ["--compile"] : [])];
    return { label, command: python, args: [join(here, "peer.py"), ...shape, ...own] };
  }
  const graph = join(place.scratch, work.name);
  const program = place.firth("firth-side.mjs", ...shape, "--dtype", place.dtype, "--dump", graph);
  const { failure } = await place.lines(process.execPath, program, { lateMs });
  if (failure !== undefined) throw failure;
  const { plugin } = place.options;
  const isOnCpu = device === "cpu";
  // A plugin that was named for the processor is JAX's, too: another release of the compiler makes other code.
  const own = isOnCpu && plugin !== undefined ? ["--plugin", plugin] : [];
  const env = isOnCpu && plugin === undefined ? { JAX_PLATFORMS: "cpu" } : {};
  return { label, command: python, args: [join(here, "jax_side.py"), "--graph", graph, ...own], env };
}

const reasonOf = ({ message }) => {
  const telling = message.split("\n").filter((line) => /Error|error|ended|was stopped|no answer/.test(line));
  return (telling.at(-1) ?? message).slice(0, 300);
};

/** Sides that are on the device together: all are started at once, then they take turns. */
async function takeTurns(own, work, place, lateMs) {
  const { rounds, block } = place.options;
  const open = [];
  const results = [];
  const fail = (side, error) => {
    place.tell(`${work.name}, ${side.label}: ${error.message.slice(0, 2000)}`);
    results.push({ id: side.id, label: side.label, absent: reasonOf(error) });
  };
  try {
    await Promise.all(
      own.map(async (side) => {
        let one;
        try {
          one = openSide(await commandOf(side, work, place, lateMs), lateMs);
          await one.ready();
          open.push({ side, process: one, blocks: [] });
          place.tell(`${work.name}, ${side.label}: ready`);
        } catch (error) {
          one?.stop();
          fail(side, error);
        }
      }),
    );
    open.sort((a, b) => own.indexOf(a.side) - own.indexOf(b.side));
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < open.length; turn++) {
        const one = open[(round + turn) % open.length];
        if (one.failed) continue;
        try {
          one.blocks.push((await one.process.block(block)) / block);
        } catch (error) {
          one.failed = true;
          one.process.stop();
          fail(one.side, error);
        }
      }
    }
    for (const { side, process: one, blocks, failed } of open) {
      if (failed) continue;
      try {
        results.push({ id: side.id, label: side.label, stepMs: blocks, report: await one.finish() });
      } catch (error) {
        // Its times stand without its report.
        place.tell(`${work.name}, ${side.label}: no report. ${error.message.slice(0, 500)}`);
        results.push({ id: side.id, label: side.label, stepMs: blocks, report: {} });
      }
    }
  } finally {
    for (const { process: one } of open) one.stop();
  }
  return results;
}

/**
 * One work: the sides that are compared first, then the others, so that not all of them are in the device's memory.
 * @param {import("./place.mjs").Place} place
 */
export async function measureTraining(place, work, lateMs) {
  const { rounds, block, trial, sides: names } = place.options;
  const wanted = names?.split(",");
  const own = sides.filter(
    ({ id, works: where }) => (wanted ?? [id]).includes(id) && (trial || (where ?? [work.name]).includes(work.name)),
  );
  const results = [];
  for (const group of [1, 2]) {
    const together = own.filter((side) => (side.group ?? 1) === group);
    if (together.length === 0) continue;
    results.push(...(await takeTurns(together, work, place, lateMs)));
    const inOrder = sides.flatMap(({ id }) => results.filter((result) => result.id === id));
    // The second record of a work takes the place of the first.
    place.keep({ kind: "training", work, rounds, block, sides: inOrder });
  }
}
