/**
 * What a migrator tells, as text for people. Apart from the rest, so that a program that shows nothing does not carry it.
 *
 * @module
 */
export { errorCodes } from '../error-codes.ts';
export { renderPlan } from './plan.ts';
export { renderStatus, type StatusOptions, type StatusStyle } from './status.ts';
export { renderSummary } from './summary.ts';
