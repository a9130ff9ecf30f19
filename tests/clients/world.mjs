// What the tests of all clients share: the arguments, a temporary folder with prompts for the server, and the processes of a tree.
//
//   node FILE.mjs PROGRAM NODE_MODULES
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';

if (process.argv.length !== 4) {
  console.error(`usage: node ${path.basename(process.argv[1])} PROGRAM NODE_MODULES`);
  process.exit(2);
}
export const program = path.resolve(process.argv[2]);
export const modules = path.resolve(process.argv[3]);
// The packages are not beside these files, so that `import` does not find them.
export const load = createRequire(path.join(modules, 'any.cjs'));

export const prompts = path.join(import.meta.dirname, '../data/promptbin-data');

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// A folder of its own for one server, gone at the end, and the command line and environment to start it with.
export async function newWorld({ withPrompts = true, app = [] } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'steward-clients-'));
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const data = path.join(folder, 'data');
  if (withPrompts) {
    fs.cpSync(prompts, data, { recursive: true });
  }
  return {
    folder,
    data,
    command: program,
    args: ['mcp', '--port', String(await freePort()), '--data-dir', data, ...app],
    env: { HOME: folder, XDG_STATE_HOME: `${folder}/state`, XDG_CACHE_HOME: `${folder}/cache`, XDG_RUNTIME_DIR: folder },
  };
}

// A process is its id with the time of its start: ids come back.
function startOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

// The process and all below it, as {pid, start}.
export function treeOf(pid) {
  const start = startOf(pid);
  if (start === undefined) {
    return [];
  }
  let children = '';
  try {
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
      children += fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8');
    }
  } catch {
    // It has ended meanwhile.
  }
  return [{ pid, start }, ...children.split(' ').filter(Boolean).flatMap(child => treeOf(Number(child)))];
}

function isAlive({ pid, start }) {
  return startOf(pid) === start;
}

// Asserts that nothing of it is left.
export function assertGone(tree) {
  const left = tree.filter(isAlive).map(({ pid }) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
  assert.deepEqual(left, []);
}

// Values that come in by callbacks, and promises of the first that fits, those that are there already included.
export class Inbox {
  values = [];
  #waiting = [];

  push(value) {
    this.values.push(value);
    this.#waiting = this.#waiting.filter(waiter => !waiter(value));
  }

  clear() {
    this.values = [];
  }

  first(what, fits, limit = 10_000) {
    const known = this.values.find(fits);
    if (known !== undefined) {
      return Promise.resolve(known);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what}: not within ${limit / 1000} s`)), limit);
      this.#waiting.push(value => {
        const good = fits(value);
        if (good) {
          clearTimeout(timer);
          resolve(value);
        }
        return good;
      });
    });
  }
}
