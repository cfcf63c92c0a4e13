/** @file Entities in tags: reading, writing and mending of IOB1, IOB2 and BIOES. */
import { DataError } from "../base/errors.ts";

/** How tags mark entities. IOB1: B- only between neighbours of one type; IOB2: B- at every beginning; BIOES: ends too. */
export const tagSchemes = ["IOB1", "IOB2", "BIOES"] as const;
export type TagScheme = (typeof tagSchemes)[number];

/** An entity: words from `start` to before `end`. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

const outside: Tag = { prefix: "O", type: "_" };

/** `B-PER` taken apart: the type stands behind the first hyphen; that of a tag without one is `_`. As in seqeval. */
function parseTag(tag: string): Tag {
  return { prefix: tag.slice(0, 1), type: tag.slice(Math.max(1, tag.indexOf("-", 1) + 1)) || "_" };
}

function ends(before: Tag, now: Tag): boolean {
  if (before.prefix === "O" || before.prefix === ".") return false;
  if (before.prefix === "E" || before.prefix === "S") return true;
  return now.prefix === "B" || now.prefix === "S" || now.prefix === "O" || before.type !== now.type;
}

function begins(before: Tag, now: Tag): boolean {
  if (now.prefix === "O" || now.prefix === ".") return false;
  if (now.prefix === "B" || now.prefix === "S") return true;
  return before.prefix === "E" || before.prefix === "S" || before.prefix === "O" || before.type !== now.type;
}

/**
 * The entities of a sentence, whatever its scheme and its faults: an entity begins at B- and S-, and wherever I- or E- follows
 * the outside, an end, or another type. This is the rule by which faulty tags are mended.
 * @source conlleval (Tjong Kim Sang); seqeval 1.2.2 `get_entities`
 */
export function entitiesOf(tags: readonly string[]): Entity[] {
  const entities: Entity[] = [];
  let before = { ...outside, type: "" };
  let start = 0;
  for (let i = 0; i <= tags.length; i++) {
    const now = i < tags.length ? parseTag(tags[i]!) : outside;
    if (ends(before, now)) entities.push({ type: before.type, start, end: i });
    if (begins(before, now)) start = i;
    before = now;
  }
  return entities;
}

const prefixes: Readonly<Record<TagScheme, string>> = { IOB1: "IOB", IOB2: "IOB", BIOES: "IOBES" };

function startsStrictly(scheme: TagScheme, before: Tag, now: Tag): boolean {
  if (scheme === "IOB2") return now.prefix === "B";
  if (scheme === "BIOES") return now.prefix === "B" || now.prefix === "S";
  if (now.prefix === "B") return before.prefix !== "O" && before.type === now.type;
  return now.prefix === "I" && (before.prefix !== "I" || before.type !== now.type);
}

function continues(scheme: TagScheme, before: Tag, now: Tag): boolean {
  const isOpen = before.prefix === "B" || before.prefix === "I";
  const isInner = now.prefix === "I" || (scheme === "BIOES" && now.prefix === "E");
  return isOpen && isInner && before.type === now.type;
}

/** Whether the entity of the tag before is over. */
function endsStrictly(scheme: TagScheme, before: Tag, now: Tag): boolean {
  if (scheme === "BIOES") return before.prefix === "E" || before.prefix === "S";
  if (before.prefix !== "B" && before.prefix !== "I") return false;
  if (now.prefix === "O") return true;
  if (now.prefix === "I") return before.type !== now.type;
  return scheme === "IOB2" || before.prefix === "I" || before.type === now.type;
}

/**
 * The entities of a sentence that are well formed in a scheme; faulty ones are none.
 * @throws {DataError} TAG_UNKNOWN for a tag that the scheme does not have
 * @source seqeval 1.2.2 `mode="strict"`
 */
export function strictEntitiesOf(tags: readonly string[], scheme: TagScheme): Entity[] {
  const parsed = tags.map(parseTag);
  const wrong = parsed.findIndex(({ prefix }) => prefix === "" || !prefixes[scheme].includes(prefix));
  if (wrong >= 0) {
    throw new DataError(
      `tag ${wrong} must begin with one of ${[...prefixes[scheme]].join(", ")} in ${scheme}; got ${JSON.stringify(tags[wrong])}. Convert the tags, or choose another scheme.`,
      { code: "TAG_UNKNOWN", path: "tags" },
    );
  }
  const all = [...parsed, outside];
  const entities: Entity[] = [];
  for (let i = 0; i < all.length; ) {
    if (!startsStrictly(scheme, all[i - 1] ?? outside, all[i]!)) {
      i++;
      continue;
    }
    let end = i + 1;
    while (end < all.length && continues(scheme, all[end - 1]!, all[end]!)) end++;
    if (endsStrictly(scheme, all[end - 1]!, all[end] ?? outside)) entities.push({ type: all[i]!.type, start: i, end });
    i = end;
  }
  return entities;
}

/**
 * Whether a tag may follow another in a well-formed sentence of a scheme.
 * @param before undefined: the tag is the first; @param tag undefined: the other is the last
 */
export function mayFollow(scheme: TagScheme, before: string | undefined, tag: string | undefined): boolean {
  const [one, now] = [before, tag].map((text) => (text === undefined ? outside : parseTag(text))) as [Tag, Tag];
  const isInside = (one.prefix === "B" || one.prefix === "I") && one.type === now.type;
  if (scheme === "IOB1") return now.prefix !== "B" || isInside;
  if (scheme === "IOB2") return now.prefix !== "I" || isInside;
  const goesOn = now.prefix === "I" || now.prefix === "E";
  const isOpen = one.prefix === "B" || one.prefix === "I";
  return isOpen ? goesOn && one.type === now.type : !goesOn;
}

/** Whether tags look like entities: every one is O, or a mark with a type, and one at least has a type. */
export function areEntityTags(tags: Iterable<string>): boolean {
  let hasType = false;
  for (const tag of tags) {
    if (tag === "O") continue;
    if (!/^[BIES]-./s.test(tag)) return false;
    hasType = true;
  }
  return hasType;
}

/**
 * Entities as tags of a scheme.
 * @param entities in order, not overlapping
 * @throws {DataError} ENTITIES_OVERLAP, ENTITY_OUTSIDE
 */
export function tagsOf(entities: readonly Entity[], numWords: number, scheme: TagScheme): string[] {
  const tags = new Array<string>(numWords).fill("O");
  let last: Entity | undefined;
  for (const entity of entities) {
    const { type, start, end } = entity;
    const show = `${type} [${start}, ${end})`;
    if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= numWords)) {
      const message = `${show} must lie within the ${numWords} words and hold one. Correct its places.`;
      throw new DataError(message, { code: "ENTITY_OUTSIDE", path: "entities" });
    }
    if (last !== undefined && start < last.end) {
      const message = `${show} begins inside ${last.type} [${last.start}, ${last.end}). Tags cannot say that: keep one of them.`;
      throw new DataError(message, { code: "ENTITIES_OVERLAP", path: "entities" });
    }
    const touches = last !== undefined && last.end === start && last.type === type;
    for (let i = start; i < end; i++) {
      const [isFirst, isLast] = [i === start, i === end - 1];
      let prefix = isFirst && (scheme !== "IOB1" || touches) ? "B" : "I";
      if (scheme === "BIOES" && isLast) prefix = isFirst ? "S" : "E";
      tags[i] = `${prefix}-${type}`;
    }
    last = entity;
  }
  return tags;
}

/** Tags of any scheme in another one; faulty ones are mended by the rule of {@link entitiesOf}. */
export function convertTags(tags: readonly string[], scheme: TagScheme): string[] {
  return tagsOf(entitiesOf(tags), tags.length, scheme);
}
