/**
 * Takes secrets out of errors before anyone sees them: an error travels into logs, events and the checkpoint table.
 */
export class Redactor {
  readonly #secrets: readonly string[];

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets.filter((secret) => secret.length > 0);
  }

  text(text: string): string {
    return this.#secrets.reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), text);
  }

  /**
   * The error itself where it holds nothing but plain values without a secret; else a copy of what is plain, cleaned.
   * A driver's errors can carry its client, and the client its password.
   */
  cause(error: unknown): unknown {
    if (typeof error === 'string') return this.text(error);
    if (!(error instanceof Error)) return undefined;
    const facts = Object.entries(error);
    const texts = [error.message, error.stack ?? '', ...facts.map(([, value]) => String(value))];
    const plain = facts.every(([, value]) => typeof value !== 'object' || value === null);
    if (plain && error.cause === undefined && texts.every((text) => this.text(text) === text)) return error;
    const copy = new Error(this.text(error.message));
    copy.name = error.name;
    copy.stack = this.text(error.stack ?? '');
    for (const [name, value] of facts) {
      if (typeof value === 'string') Object.assign(copy, { [name]: this.text(value) });
      else if (typeof value === 'number' || typeof value === 'boolean')
        Object.assign(copy, { [name]: value });
    }
    if (error.cause !== undefined) copy.cause = this.cause(error.cause);
    return copy;
  }
}
