// Which figures of the pre-training comparison are kept: for every work and pair of compared sides the newest.
//
// A record is one table: a work, the sides that took turns, and when and where. Earlier files have several tables a record.

const ran = (side) => side.absent === undefined;

/** Pairs [ours, peer] of ids that a table compares; what could not run is not among them. */
export function pairsOf({ sides, pairs }) {
  if (pairs !== undefined) return pairs;
  const ours = sides.filter((side) => side.ours && ran(side));
  const peers = sides.filter((side) => !side.ours && ran(side));
  return ours.flatMap((one) => peers.map((peer) => [one.id, peer.id]));
}

const keyOf = ({ work }, [one, peer]) => `${work.name} ${one} ${peer}`;

const whenOf = ({ date, time = "" }) => `${date} ${time}`;

/** The tables of a record, of this form or the earlier one. */
export function tablesOf({ groups, ...record }) {
  return groups === undefined ? [record] : groups.map((sides) => ({ ...record, sides }));
}

/** A table of some of its pairs only; sides that belong to none go, except those that could not run. */
function withPairs(table, pairs) {
  if (pairs.length === pairsOf(table).length) return table;
  const wanted = new Set(pairs.flat());
  return { ...table, sides: table.sides.filter((side) => !ran(side) || wanted.has(side.id)), pairs };
}

/**
 * Records in their order, without comparisons that a newer one repeats.
 * @param {object[]} records of equally old ones the later is the newer; a table in which nothing ran is kept where there is
 * no other of its work
 */
export function newestTables(records) {
  const tables = records.flatMap(tablesOf);
  const byAge = [...tables].sort((a, b) => (whenOf(a) < whenOf(b) ? -1 : whenOf(a) > whenOf(b) ? 1 : 0));
  const newest = new Map(byAge.flatMap((table) => pairsOf(table).map((pair) => [keyOf(table, pair), table])));
  return tables.flatMap((table) => {
    const pairs = pairsOf(table).filter((pair) => newest.get(keyOf(table, pair)) === table);
    if (pairs.length > 0) return [withPairs(table, pairs)];
    const latest = byAge.findLast(({ work }) => work.name === table.work.name);
    const isOnly =
      latest === table && !byAge.some((one) => one.work.name === table.work.name && pairsOf(one).length > 0);
    return isOnly ? [table] : [];
  });
}
