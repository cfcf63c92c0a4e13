// Prints the test runner's own counts as one plain line; fails when nothing ran or anything failed.
import { readFileSync } from "node:fs";

const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, success } = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
const skipped = numPendingTests + numTodoTests;
const failed = numFailedTests > 0 || success ? numFailedTests : numFailedTestSuites;
console.log(`${numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(success && numPassedTests > 0 && failed === 0 ? 0 : 1);
