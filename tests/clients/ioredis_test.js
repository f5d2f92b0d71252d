// ioredis against the server: what it sends on connect, pipelines, transactions, pub/sub, scans,
// and going on after the server was killed.
'use strict';

const Redis = require('ioredis');
const {that, equal, rejects, restartServer, signal, run, port} = require('./checks.js');

async function basics(client) {
  equal('ping', await client.ping(), 'PONG');
  equal('set', await client.set('io:a', '1'), 'OK');
  equal('get', await client.get('io:a'), '1');
  equal('a missing key', await client.get('io:none'), null);
  equal('a buffer', await client.set('io:b', Buffer.from([0, 255, 13, 10])), 'OK');
  equal('reads back as a buffer', await client.getBuffer('io:b'), Buffer.from([0, 255, 13, 10]));
  equal('incr', await client.incr('io:n'), 1);
  equal('mset', await client.mset({'io:m1': 'x', 'io:m2': 'y'}), 'OK');
  equal('mget', await client.mget('io:m1', 'io:m2', 'io:none'), ['x', 'y', null]);
  await rejects('an error reply', client.incr('io:a:b', 'extra'), 'wrong number of arguments');
  equal('set px', await client.set('io:ttl', 1, 'PX', 60000), 'OK');
  const left = await client.pttl('io:ttl');
  that('pttl', left > 0 && left <= 60000, left);
}

async function pipelines(client) {
  const pipeline = client.pipeline();
  for (let i = 0; i < 500; i++) pipeline.set(`io:p:${i}`, i).get(`io:p:${i}`);
  const answers = await pipeline.exec();
  equal(
      'a pipeline answers in order',
      answers.filter((_, i) => i % 2).map(([, value]) => Number(value)), [...Array(500).keys()]);
  equal(
      'commands in flight together',
      await Promise.all([client.set('io:f', 1), client.incr('io:f'), client.get('io:f')]),
      ['OK', 2, '2']);
}

async function transactions(client, other) {
  equal(
      'multi and exec', await client.multi().set('io:t', 1).incr('io:t').exec(),
      [[null, 'OK'], [null, 2]]);
  await rejects(
      'a malformed command aborts', client.multi().call('set', 'io:t').exec(), 'EXECABORT');
  await client.watch('io:t');
  await other.set('io:t', 50);
  equal('a watched key that changed', await client.multi().incr('io:t').exec(), null);
  equal('stays as it was', await client.get('io:t'), '50');
}

async function pubSub(client) {
  const subscriber = client.duplicate();
  const message = signal();
  const matched = signal();
  subscriber.on('message', (...parts) => message.fire(parts));
  subscriber.on('pmessage', (...parts) => matched.fire(parts));
  equal('subscribe', await subscriber.subscribe('io:news', 'io:more'), 2);
  equal('psubscribe', await subscriber.psubscribe('io:pattern:*'), 3);
  equal('publish', await client.publish('io:news', 'hello'), 1);
  equal('a message', await message.fired, ['io:news', 'hello']);
  await client.publish('io:pattern:1', 'p');
  equal('a message of a pattern', await matched.fired, ['io:pattern:*', 'io:pattern:1', 'p']);
  equal('unsubscribe', await subscriber.unsubscribe('io:news', 'io:more'), 1);
  return subscriber;
}

async function scans(client) {
  const names = Array.from({length: 1000}, (_, i) => `io:scan:${i}`);
  await client.mset(names.flatMap((name) => [name, 1]));
  const found = new Set();
  for await (const page of client.scanStream({match: 'io:scan:*', count: 50})) {
    page.forEach((name) => found.add(name));
  }
  equal('a scan stream finds every key', [...found].sort(), names.sort());
}

async function reconnect(client, subscriber) {
  const again = signal();
  subscriber.on('pmessage', (...parts) => again.fire(parts));
  await client.set('io:kept', 'value');
  const back = [client, subscriber].map((each) => new Promise((resolve) => {
                                          each.once('ready', resolve);
                                        }));
  await restartServer();
  await Promise.all(back);
  equal('after kill -9 the client goes on', await client.get('io:kept'), 'value');
  while (await client.publish('io:pattern:2', 'back') === 0) await client.ping();
  equal(
      'and the subscription is made again', await again.fired,
      ['io:pattern:*', 'io:pattern:2', 'back']);
}

run(async () => {
  const client = new Redis(port, '127.0.0.1', {retryStrategy: () => 20});
  const other = client.duplicate();
  const ignore = () => {};  // a lost connection is an event here, and part of the test
  client.on('error', ignore);
  await basics(client);
  await pipelines(client);
  await transactions(client, other);
  const subscriber = await pubSub(client);
  subscriber.on('error', ignore);
  other.disconnect();
  await scans(client);
  await reconnect(client, subscriber);
  equal('quit', await client.quit(), 'OK');
  subscriber.disconnect();
});
