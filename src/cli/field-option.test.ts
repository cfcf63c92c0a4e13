import { Command } from "commander";
import { expect, test } from "vitest";
import {
  booleanField,
  defineFields,
  integerField,
  listField,
  nullableField,
  textField,
} from "../formats/config-fields.ts";
import { addFieldOptions, fieldValues } from "./field-option.ts";

const fields = defineFields({
  noRepeatNgramSize: integerField({ default: 0, min: 0, doc: "Size." }),
  cased: booleanField({ default: true, doc: "Case." }),
  eosTokenIds: listField(integerField({ min: 0, doc: "Id." }), { default: [], doc: "Ids." }),
  stopStrings: listField(textField({ doc: "Text." }), { default: [], doc: "Texts." }),
  topK: nullableField(integerField({ default: 5, min: 0, doc: "Tokens." })),
});

function given(...words: string[]): Record<string, unknown> {
  const command = addFieldOptions(new Command("test").exitOverride(), fields);
  command.parse(words, { from: "user" });
  return fieldValues(command.opts(), fields);
}

test("a setting whose name begins with no keeps its value (catches what is taken for an opposite)", () => {
  expect(given("--no-repeat-ngram-size", "2")).toEqual({ noRepeatNgramSize: 2 });
  expect(given()).toEqual({});
});

test("lists hold numbers where they are of numbers, and texts that look like numbers where they are of texts", () => {
  expect(given("--eos-token-ids", "5", "7", "--stop-strings", "3", "b")).toEqual({
    eosTokenIds: [5, 7],
    stopStrings: ["3", "b"],
  });
});

test("opposites and lists are what they were", () => {
  expect(given("--no-cased", "--stop-strings", "a", "b")).toEqual({ cased: false, stopStrings: ["a", "b"] });
  expect(given("--cased")).toEqual({ cased: true });
});

test("null is null, where a setting may be so (bug: the empty text that commander makes of it)", () => {
  expect(given("--top-k", "null")).toEqual({ topK: null });
  expect(given("--top-k", "0")).toEqual({ topK: 0 });
  expect(() => given("--no-repeat-ngram-size", "null")).toThrow(/must be an integer/);
});
