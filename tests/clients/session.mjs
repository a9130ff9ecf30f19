// One whole session as an AI tool has it, with the web app, for any client: what the clients differ in is in an adapter,
//
//   {name, era: 'legacy' | 'modern', Client, Transport, onElicitation(client, handler), onUpdate(client, handler),
//    onPromptsChanged(client, handler), onLog(client, handler), callTool(client, params, options), options,
//    revision: what is agreed on (the first SDK does not tell), throwaway: whether it starts a copy for discovery first,
//    notFound: how it shows that there is no such resource}
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';

import { servers } from './servers.mjs';
import { assertGone, Inbox, newWorld, treeOf } from './world.mjs';

const TOOLS = ['create_prompt', 'delete_prompt', 'flask_explain', 'flask_logs', 'flask_restart', 'flask_start', 'flask_status',
  'flask_stop', 'get_prompt', 'plugin_list', 'search_prompts', 'update_prompt'];
const RESOURCES = ['flask-events', 'flask-log', 'flask-status', 'list-prompts', 'plugins'].map(name => `promptbin://${name}`);
const BY_NAME = 'promptbin://get-prompt-by-name/{name}';
const BY_ID = 'promptbin://get-prompt/{prompt_id}';
const BY_CATEGORY = 'promptbin://list-prompts-by-category/{category}';
const BY_TAG = 'promptbin://list-prompts-by-tag/{tag}';
const TEMPLATES = [BY_NAME, BY_ID, BY_CATEGORY, BY_TAG];
const PROMPTS = 533; // in tests/data
const STATUS = 'promptbin://flask-status';

export function testSession(adapter) {
  test(adapter.name, { timeout: 120_000 }, async t => {
    const world = await newWorld();
    const errors = [];
    const updates = new Inbox();
    const promptLists = new Inbox();
    const logs = new Inbox();
    let answer;
    let asked = 0;

    const before = servers.length;
    const client = new adapter.Client({ name: 'steward-tests', version: '1' },
      { capabilities: { elicitation: { form: {} } }, ...adapter.options });
    t.after(() => client.close()); // should a step fail before
    client.onerror = error => errors.push(error);
    adapter.onElicitation(client, request => {
      asked++;
      assert.match(request.params.message, /^Delete this prompt\?/);
      return answer;
    });
    adapter.onUpdate(client, params => updates.push(params.uri));
    adapter.onPromptsChanged(client, () => promptLists.push(true));
    adapter.onLog(client, params => logs.push(params));
    const transport = new adapter.Transport({ command: world.command, args: world.args, env: world.env, stderr: 'pipe' });

    // The structured result of a tool, whose text has to say the same.
    const call = async (name, args = {}, options = undefined) => {
      const result = await adapter.callTool(client, { name, arguments: args }, options);
      assert.ok(!result.isError, `${name}: ${result.content[0]?.text}`);
      assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
      return result.structuredContent;
    };
    const refused = async (name, args = {}) => {
      const result = await adapter.callTool(client, { name, arguments: args });
      assert.ok(result.isError, `${name} was not refused`);
      return result.content[0].text;
    };
    const read = async uri => {
      const { contents } = await client.readResource({ uri });
      assert.equal(contents.length, 1);
      assert.equal(contents[0].uri, uri);
      assert.equal(contents[0].mimeType, 'application/json');
      return JSON.parse(contents[0].text);
    };
    const step = (name, body) => t.test(`${adapter.name}: ${name}`, body);

    await step('connects', async () => {
      await client.connect(transport);
      assert.equal(client.getServerVersion().name, 'steward');
      assert.ok(client.getInstructions());
      assert.equal(servers.length - before, adapter.throwaway ? 2 : 1);
      if (adapter.revision) {
        assert.equal(client.getNegotiatedProtocolVersion(), adapter.revision);
      }
    });
    const server = servers.at(-1);

    await step('lists tools, resources and templates', async () => {
      const { tools } = await client.listTools();
      assert.deepEqual(tools.map(tool => tool.name).sort(), TOOLS);
      assert.ok(tools.every(tool => tool.description && tool.inputSchema.type === 'object' && tool.outputSchema.type === 'object'));
      const { resources } = await client.listResources();
      assert.deepEqual(resources.map(resource => resource.uri).sort(), RESOURCES);
      const { resourceTemplates } = await client.listResourceTemplates();
      assert.deepEqual(resourceTemplates.map(template => template.uriTemplate).sort(), TEMPLATES);
    });

    let first;
    await step('waits until the app runs, and asks for its status', async () => {
      const started = await call('flask_start');
      assert.equal(started.state, 'running');
      first = await call('flask_status');
      assert.equal(first.healthy, true);
      assert.equal(first.generation, 1);
      assert.equal((await fetch(`${first.url}/health`)).status, 200);
      assert.ok(treeOf(server.pid).some(({ pid }) => pid === first.pid), 'the app is below the server');
    });

    let prompt;
    await step('searches, creates and gets a prompt', async () => {
      const found = await call('search_prompts', { query: 'linux', limit: 3 });
      assert.equal(found.results.length, 3);
      const known = await call('get_prompt', { prompt_id: found.results[0].id });
      assert.equal(known.title, found.results[0].title);
      promptLists.clear();
      prompt = await call('create_prompt', {
        title: 'Für die Clients', content: 'Write {{text}} for {{category}} – {{text}}!', category: 'writing', tags: ['clients'],
      });
      assert.deepEqual(prompt.variables, ['text', 'category']);
      assert.deepEqual(await call('get_prompt', { prompt_id: prompt.slug }), prompt);
      assert.match(await refused('get_prompt', { prompt_id: 'no-such-prompt' }), /no prompt has the id or name "no-such-prompt"/);
      assert.match(await refused('search_prompts', { query: 'x', limit: 500 }), /limit: must be <= 100 \(got 500\)/);
    });

    await step('reads resources', async () => {
      assert.equal((await read(STATUS)).pid, first.pid);
      assert.equal((await read('promptbin://list-prompts')).prompts[0].id, prompt.id);
      assert.equal((await read(`promptbin://get-prompt/${prompt.id}`)).content, prompt.content);
      assert.equal((await read(`promptbin://get-prompt-by-name/${prompt.slug}`)).id, prompt.id);
      assert.ok((await read('promptbin://flask-events')).events.some(event => event.event === 'service.healthy'));
      assert.ok((await read('promptbin://flask-log')).lines.length > 0);
      assert.ok((await read('promptbin://plugins')).plugins.length >= 4);
      assert.equal((await read('promptbin://list-prompts-by-tag/clients')).prompts[0].id, prompt.id);
      // -32002 before 2026-07-28; the second SDK shows both as its own ResourceNotFoundError.
      await assert.rejects(client.readResource({ uri: 'promptbin://get-prompt/nothing' }),
        error => error.code === adapter.notFound && error.data.uri === 'promptbin://get-prompt/nothing');
    });

    await step('lists and gets prompts', async () => {
      const { prompts: list } = await client.listPrompts();
      const mine = list.find(each => each.name === prompt.slug);
      assert.equal(mine.title, prompt.title);
      assert.deepEqual(mine.arguments.map(argument => argument.name), ['text', 'category']);
      const filled = await client.getPrompt({ name: prompt.slug, arguments: { text: 'a “poem”', category: 'coding' } });
      const text = 'Write a “poem” for coding – a “poem”!';
      assert.deepEqual(filled.messages, [{ role: 'user', content: { type: 'text', text } }]);
      await assert.rejects(client.getPrompt({ name: prompt.slug, arguments: { text: 'x' } }),
        error => error.code === -32602 && /"category" is required/.test(error.message));
      await assert.rejects(client.getPrompt({ name: 'no-such-prompt' }), error => error.code === -32602);
    });

    await step('pages through all prompts', async () => {
      // The second SDK does this by itself for a call without a cursor.
      const names = new Set();
      let cursor;
      do {
        const page = await client.listPrompts(cursor === undefined ? {} : { cursor });
        page.prompts.forEach(({ name }) => names.add(name));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      assert.equal(names.size, PROMPTS + 1);
    });

    await step('asks 200 things at once', async () => {
      const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => (
        i % 2 === 0 ? call('flask_status') : call('search_prompts', { query: `a${i}` }))));
      assert.ok(answers.every((result, i) => (i % 2 === 0 ? result.pid === first.pid : Array.isArray(result.results))));
    });

    await step('completes variables and arguments', async () => {
      const complete = async (ref, name, value) => (await client.complete({ ref, argument: { name, value } })).completion;
      const ids = await complete({ type: 'ref/resource', uri: BY_ID }, 'prompt_id', prompt.id.slice(0, 15));
      assert.equal(ids.values[0], prompt.id);
      const names = await complete({ type: 'ref/resource', uri: BY_NAME }, 'name', prompt.slug.slice(0, -2));
      assert.deepEqual(names.values, [prompt.slug]);
      const all = await complete({ type: 'ref/resource', uri: BY_NAME }, 'name', '');
      assert.equal(all.values.length, 100);
      assert.ok(all.hasMore && all.total > 100);
      const categories = await complete({ type: 'ref/resource', uri: BY_CATEGORY }, 'category', '');
      assert.deepEqual(categories.values, ['analysis', 'coding', 'writing']);
      const tags = await complete({ type: 'ref/resource', uri: BY_TAG }, 'tag', 'clients');
      assert.deepEqual(tags.values, ['clients']);
      const argument = await complete({ type: 'ref/prompt', name: prompt.slug }, 'category', 'w');
      assert.equal(argument.values[0], 'writing');
      await assert.rejects(complete({ type: 'ref/prompt', name: prompt.slug }, 'nothing', ''), error => error.code === -32602);
    });

    let subscription;
    await step('subscribes', async () => {
      if (adapter.era === 'modern') {
        const known = [STATUS, 'promptbin://list-prompts'];
        subscription = await client.listen({ promptsListChanged: true, resourceSubscriptions: [...known, 'test://nothing'] });
        assert.deepEqual(subscription.honoredFilter, { promptsListChanged: true, resourceSubscriptions: known });
      } else {
        await client.subscribeResource({ uri: STATUS });
        await client.subscribeResource({ uri: 'promptbin://list-prompts' });
        await client.setLoggingLevel('info');
      }
    });

    await step('sees a change of the prompts, made by another program', async () => {
      promptLists.clear();
      updates.clear();
      const text = fs.readFileSync(`${world.data}/writing/${prompt.id}.json`, 'utf8');
      const id = '20200101_000000_0123abcd';
      fs.writeFileSync(`${world.folder}/new`, text.replaceAll(prompt.id, id));
      fs.renameSync(`${world.folder}/new`, `${world.data}/writing/${id}.json`);
      await promptLists.first('notifications/prompts/list_changed', () => true);
      await updates.first('an update of promptbin://list-prompts', uri => uri === 'promptbin://list-prompts');
    });

    await step('restarts the app with progress, and sees the update', async () => {
      const progress = [];
      const old = treeOf(first.pid);
      updates.clear();
      const result = await adapter.callTool(client, {
        name: 'flask_restart',
        arguments: {},
        // Without this a client of 2026-07-28 gets no log messages.
        ...(adapter.era === 'modern' ? { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } } : {}),
      }, { onprogress: report => progress.push(report) });
      const second = result.structuredContent;
      assert.equal(second.state, 'running');
      assert.equal(second.generation, 2);
      assert.equal(old.length, 1);
      assertGone(old);
      assert.ok(progress.length > 0, 'progress was reported');
      const grows = progress.every((report, i) => i === 0 || report.progress > progress[i - 1].progress);
      assert.ok(grows, `it grows: ${JSON.stringify(progress)}`);
      assert.ok(progress.every(report => report.message));
      await updates.first(`an update of ${STATUS}`, uri => uri === STATUS);
      assert.equal((await read(STATUS)).generation, 2);
      assert.ok(logs.values.some(log => log.data.event === 'service.start' && log.level === 'info'), 'log messages came');
    });

    await step('cancels a call', async () => {
      updates.clear();
      const abort = new AbortController();
      const restart = call('flask_restart', {}, { signal: abort.signal });
      await Promise.all([
        assert.rejects(restart, /enough|abort/i),
        updates.first(`an update of ${STATUS}`, uri => uri === STATUS).then(() => abort.abort('enough')),
      ]);
      // The server goes on, and so does what was begun.
      const status = await call('flask_start');
      assert.equal(status.state, 'running');
      assert.equal(status.generation, 3);
    });

    await step('ends the subscription', async () => {
      if (adapter.era === 'modern') {
        await subscription.close();
        assert.equal(await subscription.closed, 'local');
      } else {
        await client.unsubscribeResource({ uri: STATUS });
        await client.unsubscribeResource({ uri: 'promptbin://list-prompts' });
      }
    });

    await step('is asked before a prompt is deleted', async () => {
      const answers = [
        [{ action: 'decline' }, false],
        [{ action: 'cancel' }, false],
        [{ action: 'accept', content: { confirm: false } }, false],
        [{ action: 'accept', content: { confirm: true } }, true],
      ];
      asked = 0;
      for (const [given, deleted] of answers) {
        answer = given;
        const result = await call('delete_prompt', { prompt_id: prompt.id });
        assert.equal(result.deleted, deleted, JSON.stringify(given));
        assert.equal(result.prompt.id, prompt.id);
        assert.equal(fs.existsSync(`${world.data}/writing/${prompt.id}.json`), !deleted);
      }
      assert.equal(asked, answers.length);
      assert.match(await refused('get_prompt', { prompt_id: prompt.id }), /no prompt has the id/);
    });

    await step('closes', async () => {
      const tree = treeOf(server.pid);
      const { pid } = await call('flask_status');
      assert.ok(tree.length >= 3, 'server, guardian and app');
      assert.ok(tree.some(each => each.pid === pid));
      const started = performance.now();
      await client.close();
      const end = await server.ended;
      assert.deepEqual({ code: end.code, signal: end.signal }, { code: 0, signal: null });
      assert.ok(end.at - started < 1000, `it took ${Math.round(end.at - started)} ms`);
      assertGone(tree);
    });

    await step('had no error, and nothing on standard error', async () => {
      assert.deepEqual(errors, []);
      for (const each of servers.slice(before)) {
        await each.ended;
        assert.equal(each.stderr, '');
      }
    });
  });
}
