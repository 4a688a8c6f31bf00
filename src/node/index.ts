/**
 * What is better done with Node's own means, where the program runs there.
 *
 * @module
 */
export { httpFetch } from './http-fetch.ts';
