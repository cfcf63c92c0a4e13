import { albertFamily } from "../../src/models/albert/family.ts";
import { bartFamily } from "../../src/models/bart/family.ts";
import { bertFamily } from "../../src/models/bert/family.ts";
import { ernieFamily } from "../../src/models/ernie/family.ts";
import { gpt2Family } from "../../src/models/gpt2/family.ts";
import { openAiGptFamily } from "../../src/models/openai-gpt/family.ts";
import { robertaFamily } from "../../src/models/roberta/family.ts";
import { describeHeadParity, type HeadFixture } from "../support/head-parity.ts";

const all: readonly HeadFixture[] = ["token-classification", "question-answering", "multiple-choice"];

describeHeadParity(bertFamily, all);
describeHeadParity(robertaFamily, all);
describeHeadParity(albertFamily, all);
describeHeadParity(ernieFamily, all);
describeHeadParity(gpt2Family, all);
describeHeadParity(openAiGptFamily, ["multiple-choice"]);
// transformers has no other of these heads for BART.
describeHeadParity(bartFamily, ["question-answering"]);
