// What each connect leaves behind: the second SDK starts a throwaway copy of the server to ask for its revisions, and then the
// one that it uses. The app is counted by itself: it is a shell that writes a line when it starts.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { servers } from './servers.mjs';
import { assertGone, load, newWorld, treeOf } from './world.mjs';

const { Client } = load('@modelcontextprotocol/client');
const { StdioClientTransport } = load('@modelcontextprotocol/client/stdio');

const CONNECTS = 20;

const linesOf = file => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : []);

// Resolves when the file has so many lines.
function hasLines(file, count) {
  return new Promise((resolve, reject) => {
    const watcher = fs.watch(path.dirname(file), look);
    const timer = setTimeout(() => {
      watcher.close();
      reject(new Error(`${linesOf(file).length} lines within 10 s, not ${count}`));
    }, 10_000);
    function look() {
      if (linesOf(file).length >= count) {
        clearTimeout(timer);
        watcher.close();
        resolve();
      }
    }
    look();
  });
}

test(`${CONNECTS} connects start the app ${CONNECTS} times, and leave nothing`, { timeout: 120_000 }, async t => {
  const world = await newWorld({ withPrompts: false });
  const starts = `${world.folder}/starts`;
  const args = [...world.args, '--health', 'none', '--', 'sh', '-c', 'echo $$ >> "$0"; exec sleep 1000', starts];
  for (let i = 0; i < CONNECTS; i++) {
    const before = servers.length;
    const client = new Client({ name: 'steward-tests', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    t.after(() => client.close()); // should something fail before
    await client.connect(new StdioClientTransport({ command: world.command, args, env: world.env, stderr: 'pipe' }));
    assert.equal(servers.length - before, 2);
    const [throwaway, server] = servers.slice(before);
    // It had a second to end by itself.
    assert.equal((await throwaway.ended).code, 0);
    const { structuredContent: status } = await client.callTool({ name: 'flask_start', arguments: {} });
    assert.equal(status.state, 'running');
    await hasLines(starts, i + 1);
    const tree = treeOf(server.pid);
    assert.ok(tree.some(({ pid }) => pid === status.pid));
    await client.close();
    assert.equal((await server.ended).code, 0);
    assertGone(tree);
    assert.deepEqual([throwaway.stderr, server.stderr], ['', '']);
    assert.equal(linesOf(starts).length, i + 1);
    assert.equal(linesOf(starts).at(-1), String(status.pid));
  }
});
