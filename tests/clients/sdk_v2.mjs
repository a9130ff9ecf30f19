// The second TypeScript SDK, in its three modes: `initialize`, asking a throwaway copy for the revisions first, and 2026-07-28
// alone.
import { load } from './world.mjs';
import { testSession } from './session.mjs';

const { Client } = load('@modelcontextprotocol/client');
const { StdioClientTransport } = load('@modelcontextprotocol/client/stdio');

const sdk = {
  notFound: -32602,
  Client,
  Transport: StdioClientTransport,
  onElicitation: (client, handler) => client.setRequestHandler('elicitation/create', handler),
  onUpdate: (client, handler) => client.setNotificationHandler('notifications/resources/updated', ({ params }) => handler(params)),
  onPromptsChanged: (client, handler) => client.setNotificationHandler('notifications/prompts/list_changed', handler),
  onLog: (client, handler) => client.setNotificationHandler('notifications/message', ({ params }) => handler(params)),
  callTool: (client, params, options) => client.callTool(params, options),
};

testSession({ ...sdk, name: 'SDK v2', era: 'legacy', revision: '2025-11-25' });
for (const [name, mode] of [['SDK v2 auto', 'auto'], ['SDK v2 pinned', { pin: '2026-07-28' }]]) {
  testSession({ ...sdk, name, era: 'modern', revision: '2026-07-28', throwaway: true, options: { versionNegotiation: { mode } } });
}
