// node-redis against the server. The first argument is the package: redis4, or redis5, which then
// also speaks RESP3.
'use strict';

const name = process.argv[2];
const {createClient} = require(name);
const {that, equal, rejects, restartServer, signal, run, port} = require('./checks.js');

const resp3 = name === 'redis5';

function open() {
  const client = createClient({
    socket: {host: '127.0.0.1', port, reconnectStrategy: 20},
    ...(resp3 ? {RESP: 3} : {}),
  });
  client.on('error', () => {});  // a lost connection is an event here, and part of the test
  return client.connect();
}

async function basics(client) {
  equal('ping', await client.ping(), 'PONG');
  equal('set', await client.set('nr:a', '1'), 'OK');
  equal('get', await client.get('nr:a'), '1');
  equal('a missing key', await client.get('nr:none'), null);
  equal('incr', await client.incr('nr:n'), 1);
  equal('mset', await client.mSet({'nr:m1': 'x', 'nr:m2': 'y'}), 'OK');
  equal('mget', await client.mGet(['nr:m1', 'nr:m2', 'nr:none']), ['x', 'y', null]);
  equal('set with options', await client.set('nr:a', '2', {XX: true, GET: true, PX: 60000}), '1');
  const left = await client.pTTL('nr:a');
  that('pttl', left > 0 && left <= 60000, left);
  await rejects('an error reply', client.sendCommand(['NOSUCH']), 'unknown command');
  const hello = await client.sendCommand(['HELLO']);
  equal(
      'the protocol', Array.isArray(hello) ? hello[hello.indexOf('proto') + 1] : hello.proto,
      resp3 ? 3 : 2);
}

async function pipelines(client) {
  const answers = await Promise.all(
      Array
          .from(
              {length: 500},
              (_, i) => [client.set(`nr:p:${i}`, i.toString()), client.get(`nr:p:${i}`)])
          .flat());
  equal(
      'commands in flight together answer in order', answers.filter((_, i) => i % 2).map(Number),
      [...Array(500).keys()]);
}

async function transactions(client, other) {
  equal(
      'multi and exec', await client.multi().set('nr:t', '1').incr('nr:t').get('nr:t').exec(),
      ['OK', 2, '2']);
  await client.watch('nr:t');
  await other.set('nr:t', '50');
  await rejects(
      'a watched key that changed', client.multi().incr('nr:t').exec(),
      'watched keys has been changed');
  equal('stays as it was', await client.get('nr:t'), '50');
}

async function pubSub(client, subscriber) {
  const message = signal();
  const matched = signal();
  await subscriber.subscribe('nr:news', (...parts) => message.fire(parts));
  await subscriber.pSubscribe('nr:pattern:*', (...parts) => matched.fire(parts));
  equal('publish', await client.publish('nr:news', 'hello'), 1);
  equal('a message', await message.fired, ['hello', 'nr:news']);
  await client.publish('nr:pattern:1', 'p');
  equal('a message of a pattern', await matched.fired, ['p', 'nr:pattern:1']);
  await subscriber.unsubscribe('nr:news');
  equal('unsubscribe', await client.publish('nr:news', 'nobody'), 0);
}

async function scans(client) {
  const names = Array.from({length: 1000}, (_, i) => `nr:scan:${i}`);
  await client.mSet(Object.fromEntries(names.map((each) => [each, '1'])));
  const found = new Set();
  for await (const page of client.scanIterator({MATCH: 'nr:scan:*', COUNT: 50})) {
    [page].flat().forEach((each) => found.add(each));  // version 5 gives pages, version 4 keys
  }
  equal('a scan finds every key', [...found].sort(), names.sort());
}

async function reconnect(client, subscriber) {
  const again = signal();
  await subscriber.subscribe('nr:again', (...parts) => again.fire(parts));
  await client.set('nr:kept', 'value');
  const back = [client, subscriber].map((each) => new Promise((resolve) => {
                                          each.once('ready', resolve);
                                        }));
  await restartServer();
  await Promise.all(back);
  equal('after kill -9 the client goes on', await client.get('nr:kept'), 'value');
  while (await client.publish('nr:again', 'back') === 0) await client.ping();
  equal('and the subscription is made again', await again.fired, ['back', 'nr:again']);
}

run(async () => {
  const [client, other, subscriber] = await Promise.all([open(), open(), open()]);
  await basics(client);
  await pipelines(client);
  await transactions(client, other);
  await other.quit();
  await pubSub(client, subscriber);
  await scans(client);
  await reconnect(client, subscriber);
  await client.quit();
  await subscriber.disconnect();
});
