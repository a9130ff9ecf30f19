// The first TypeScript SDK: the revisions that begin with `initialize`.
import { load } from './world.mjs';
import { testSession } from './session.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
const types = load('@modelcontextprotocol/sdk/types.js');

testSession({
  name: 'SDK v1',
  era: 'legacy',
  notFound: -32002,
  Client,
  Transport: StdioClientTransport,
  onElicitation: (client, handler) => client.setRequestHandler(types.ElicitRequestSchema, handler),
  onUpdate: (client, handler) => client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({ params }) => handler(params)),
  onPromptsChanged: (client, handler) => client.setNotificationHandler(types.PromptListChangedNotificationSchema, handler),
  onLog: (client, handler) => client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => handler(params)),
  callTool: (client, params, options) => client.callTool(params, undefined, options),
});
