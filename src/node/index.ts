/**
 * What is better done with Node's own means, where the program runs there.
 *
 * @module
 */
export {
  diagnosticsChannels,
  type DiagnosticsMessage,
  type DiagnosticsOptions,
  publishDiagnostics,
  subscribeDiagnostics,
} from './diagnostics.ts';
export { httpFetch } from './http-fetch.ts';
