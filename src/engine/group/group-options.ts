import { invalidOption, refuseUnknown } from '../../errors.ts';

/** `references`: parents before children, else as given. `given`: as given, whatever refers to what. */
export type GroupOrder = 'references' | 'given';

/**
 * Checks the options of a group that are not those of its migrators, and fills in the defaults.
 *
 * @throws MigratorError `INVALID_OPTION`
 */
export function resolveGroupOptions(options: {
  readonly concurrency?: number | undefined;
  readonly order?: GroupOrder | undefined;
}): { readonly concurrency: number; readonly order: GroupOrder } {
  refuseUnknown('The group', options, 'concurrency order');
  const { concurrency = 1, order = 'references' } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw invalidOption(
      `concurrency must be a whole number from 1, not ${concurrency}.`,
      'It is the number of tables at a time.',
    );
  }
  if (order !== 'references' && order !== 'given') {
    throw invalidOption(
      `order must be "references" or "given", not "${String(order)}".`,
      'Leave it out for parents before children.',
    );
  }
  return { concurrency, order };
}
