import { Agent, request } from 'node:http';

/** Posts bodies to the database's address in the API with as little around it as Node allows. */
export class Poster implements Disposable {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #url: URL;
  readonly #token: string;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    const database = `accounts/${env['CLOUDFLARE_ACCOUNT_ID']}/d1/database/${env['D1_DATABASE_ID']}`;
    this.#url = new URL(`${env['CLOUDFLARE_API_BASE_URL']}/${database}/raw`);
    this.#token = env['CLOUDFLARE_API_TOKEN'] ?? '';
  }

  post(body: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${this.#token}`,
        'content-type': 'application/json',
        'content-length': body.length,
      };
      const outgoing = request(this.#url, { method: 'POST', agent: this.#agent, headers }, (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(parts).toString();
          if (incoming.statusCode === 200) resolve();
          else reject(new Error(`D1 API: ${incoming.statusCode} ${text.slice(0, 500)}`));
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
