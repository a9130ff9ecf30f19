// The Inspector's command line, in its three modes. It is a process for each request, which starts a server of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';

import { modules, newWorld } from './world.mjs';

const cli = path.join(modules, '@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const watching = `--import=${path.join(import.meta.dirname, 'servers.mjs')}`;

// The prompt that is asked for.
const PROMPT = {
  id: '20200101_000000_0123abcd', title: 'For the Inspector', content: 'Say {{text}}.', description: '', category: 'writing', tags: [],
  created_at: '2020-01-01T00:00:00', updated_at: '2020-01-01T00:00:00',
};

// What to ask for, and what has to be true of the result.
const REQUESTS = [
  [['tools/list', '--strict'], result => assert.ok(result.tools.length >= 12)],
  [['tools/call', '--tool-name', 'get_prompt', '--tool-args-json', JSON.stringify({ prompt_id: PROMPT.id })],
    result => assert.equal(result.structuredContent.title, PROMPT.title)],
  [['resources/list'], result => assert.equal(result.resources.length, 5)],
  [['resources/read', '--uri', 'promptbin://flask-status'],
    result => assert.equal(JSON.parse(result.contents[0].text).service, 'promptbin')],
  [['resources/templates/list'], result => assert.equal(result.resourceTemplates.length, 4)],
  [['prompts/list'], result => assert.ok(result.prompts.length >= 100)],
  [['prompts/get', '--prompt-name', 'for-the-inspector', '--prompt-args', 'text=a word'],
    result => assert.equal(result.messages[0].content.text, 'Say a word.')],
];

function run(file, args, env) {
  return new Promise(resolve => {
    execFile(file, args, { env: { ...process.env, ...env }, timeout: 60_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ status: error ? error.code ?? error.signal : 0, stdout, stderr });
    });
  });
}

for (const era of ['legacy', 'auto', 'modern']) {
  test(`Inspector ${era}`, async t => {
    const world = await newWorld();
    fs.writeFileSync(path.join(world.data, PROMPT.category, `${PROMPT.id}.json`), JSON.stringify(PROMPT));
    for (const [request, check] of REQUESTS) {
      await t.test(`Inspector ${era}: ${request[0]}`, async () => {
        const log = path.join(world.folder, 'servers');
        fs.rmSync(log, { force: true });
        const inspector = await run(process.execPath,
          [cli, '--cli', '--format', 'json', '--protocol-era', era, '--method', ...request, '--', world.command, ...world.args],
          { ...world.env, NODE_OPTIONS: watching, STEWARD_SERVERS: log });
        assert.equal(inspector.status, 0, inspector.stderr);
        // With --strict this is where it would say what other dialects of JSON Schema do not understand.
        assert.equal(inspector.stderr, '');
        check(JSON.parse(inspector.stdout).result);
        const ends = fs.readFileSync(log, 'utf8').trim().split('\n').map(line => JSON.parse(line));
        assert.deepEqual(ends.map(({ code, signal, stderr }) => ({ code, signal, stderr })), [{ code: 0, signal: null, stderr: '' }]);
        assert.ok(!fs.existsSync(`/proc/${ends[0].pid}`), 'the server is gone');
      });
    }
  });
}
