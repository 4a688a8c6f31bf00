/**
 * Cloudflare D1: sinks over the REST API and over a Worker's binding, the checkpoint store, and a D1 database over REST
 * in the shape of a binding.
 *
 * @module
 */
export type { CarryOver } from './schema/carry-options.ts';
export { D1CheckpointStore, type D1CheckpointStoreOptions } from './checkpoints/checkpoint-store.ts';
export type { D1DatabaseLike, D1ResultLike, D1StatementLike } from './database.ts';
export type { RequestQuota } from './rest/pacer.ts';
export { D1RestDatabase, type D1RestOptions, D1RestStatement } from './rest/rest-database.ts';
export { D1Sink, type D1SinkOptions } from './sink.ts';
export type { TableOptions } from './schema/table.ts';
export type { EpochUnit } from './values/epochs.ts';
export {
  D1BindingSink,
  type D1BindingSinkOptions,
  D1RestSink,
  type D1RestSinkOptions,
  type TableRow,
} from './sinks.ts';
export type { FloatForm, RoundedEpochForm, ScaledForm, StoredForm, StoreOptions } from './values/forms.ts';
