/**
 * Reference adapters that keep everything in memory: what the contract means, in the least code. For tests, and as
 * the example to copy for a new adapter.
 *
 * @module
 */
export { type MemoryCheckpoint, MemoryDatabase, type MemoryTable } from './database.ts';
export { MemoryCheckpointStore } from './checkpoint-store.ts';
export { MemoryRejectStore } from './rejects.ts';
export { MemorySink, type MemorySinkOptions } from './sink.ts';
export { MemorySource, type MemorySourceOptions } from './source.ts';
