// What the JavaScript client tests share: one printed line a check, and a way to have the runner
// (node_client_test.py) kill -9 and restart the server.
'use strict';

const assert = require('node:assert');
const readline = require('node:readline');

let failed = 0;
const input = readline.createInterface({input: process.stdin});
const lines = input[Symbol.asyncIterator]();

function that(name, condition, detail) {
  if (!condition) failed += 1;
  console.log(`${condition ? 'ok  ' : 'FAIL'} ${name}${condition ? '' : `: ${detail ?? ''}`}`);
}

function equal(name, got, want) {
  try {
    assert.deepStrictEqual(got, want);
    that(name, true);
  } catch {
    that(name, false, `got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  }
}

async function rejects(name, promise, word) {
  try {
    that(name, false, `answered ${JSON.stringify(await promise)}`);
  } catch (error) {
    that(name, error.message.includes(word), error.message);
  }
}

async function restartServer() {
  console.log('@restart');
  await lines.next();
}

// A promise and the function that fulfils it: how a test waits for an event.
function signal() {
  let fire;
  const fired = new Promise((resolve) => {
    fire = resolve;
  });
  return {fire, fired};
}

// Runs `test` to its end; every open connection is the test's to close.
function run(test) {
  test().catch((error) => that('no unexpected error', false, error.stack)).finally(() => {
    console.log(failed ? `${failed} check(s) failed` : 'all checks passed');
    process.exit(failed ? 1 : 0);
  });
}

module.exports = {
  that,
  equal,
  rejects,
  restartServer,
  signal,
  run,
  port : Number(process.env.KVORUM_PORT)
};
