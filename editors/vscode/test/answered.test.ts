import assert from 'node:assert/strict';
import { it } from 'node:test';
import { answered, type Startable } from '../src/launch/answered';

function server(start: Promise<void>): Startable & { readonly killed: string[] } {
  const killed: string[] = [];
  return { start: () => start, serverProcess: { kill: (signal) => killed.push(signal) }, killed };
}

it('a server that answers in time is left alone', async () => {
  const client = server(Promise.resolve());
  assert.equal(await answered(client, 60_000), true);
  assert.deepEqual(client.killed, []);
});

it('a program that stays silent is ended', async () => {
  const client = server(new Promise(() => undefined));
  assert.equal(await answered(client, 1), false);
  assert.deepEqual(client.killed, ['SIGKILL']);
});

it('a server that does not start says why', async () => {
  await assert.rejects(answered(server(Promise.reject(new Error('no'))), 60_000), /no/);
});
