// node-redis' cache of what it has read (clientSideCache): what is cached is answered without the
// server, until the server says that it has changed. The first argument is the package.
'use strict';

const {createClient} = require(process.argv[2]);
const {that, equal, restartServer, run, port} = require('./checks.js');

function open(options) {
  const client = createClient({
    RESP: 3,
    socket: {host: '127.0.0.1', port, reconnectStrategy: 20},
    ...options,
  });
  client.on('error', () => {});  // a lost connection is an event here, and part of the test
  return client.connect();
}

// How often the server has run a command.
async function calls(other, command) {
  const line = (await other.info('commandstats')).match(`cmdstat_${command}:calls=(\\d+)`);
  return line === null ? 0 : Number(line[1]);
}

// The cache's answer changes when the push has come, not before.
async function eventually(name, read, want) {
  let got;
  for (const end = Date.now() + 10000; Date.now() < end;) {
    got = await read();
    if (got === want) break;
    await new Promise(setImmediate);
  }
  equal(name, got, want);
}

async function cached(other, name, read, value, command) {
  equal(`${name} is read`, await read(), value);
  const before = await calls(other, command);
  for (let i = 0; i < 100; ++i) await read();
  equal(`${name} is read again`, await read(), value);
  equal(`${name} costs no request`, await calls(other, command), before);
}

async function values(client, other) {
  await other.set('cache:a', '1');
  const read = () => client.get('cache:a');
  await cached(other, 'a value', read, '1', 'get');
  await other.set('cache:a', '2');
  await eventually('a write of another client', read, '2');
  await cached(other, 'the new value', read, '2', 'get');
  await other.del('cache:a');
  await eventually('a key that was removed', read, null);
  await cached(other, 'a key that is not there', read, null, 'get');
  await other.set('cache:a', '3', {PX: 300});
  await eventually('a key that came back', read, '3');
  await eventually('a key that expired', read, null);
}

async function severalKeys(client, other) {
  await other.mSet({'cache:b': 'b', 'cache:c': 'c'});
  const read = async () => (await client.mGet(['cache:b', 'cache:c'])).join();
  await cached(other, 'an answer of two keys', read, 'b,c', 'mget');
  await other.multi().set('cache:c', 'C').set('cache:b', 'B').exec();
  await eventually('a transaction of another client', read, 'B,C');
  await other.flushAll();
  await eventually('a flush', read, ',');
}

async function ownWrites(client) {
  for (let i = 0; i < 100; ++i) {
    await client.set('cache:own', i.toString());
    const got = await client.get('cache:own');
    if (got !== i.toString()) return that('a client sees its own writes', false, `${got} for ${i}`);
  }
  that('a client sees its own writes', true);
}

async function reconnect(client, other) {
  await client.set('cache:kept', '1');
  await client.get('cache:kept');
  const back = [client, other].map((each) => new Promise((resolve) => {
                                     each.once('ready', resolve);
                                   }));
  await restartServer();
  await Promise.all(back);
  await other.set('cache:kept', '2');
  const read = () => client.get('cache:kept');
  await eventually('after kill -9 nothing old is left', read, '2');
  await other.set('cache:kept', '3');
  await eventually('and the cache works on', read, '3');
}

run(async () => {
  const client = await open({clientSideCache: {maxEntries: 1000}});
  const other = await open({});
  await values(client, other);
  await severalKeys(client, other);
  await ownWrites(client);
  // Counted anew with every connection.
  const {hitCount} = client.clientSideCache.stats();
  that('the cache has answered', hitCount > 400, hitCount);
  await reconnect(client, other);
  client.destroy();
  other.destroy();
});
