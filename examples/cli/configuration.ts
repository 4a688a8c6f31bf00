import { parseArgs } from 'node:util';

/** The two tables of the guide: what `--all` copies unless TABLE_NAMES says otherwise. */
const ALL_TABLES: readonly string[] = ['coordinate_speed_new', 'camera_locations'];

/** What the command was asked to do, checked. */
export interface Configuration {
  readonly tables: readonly string[];
  /** Empty where only progress is shown: that is in D1 alone. */
  readonly databaseUrl: string;
  readonly apiToken: string;
  readonly accountId: string;
  readonly databaseId: string;
  readonly apiBaseUrl: string | undefined;
  /** Undefined: what a stored plan has, or else 50,000. */
  readonly checkpointSize: number | 'auto' | undefined;
  /** Undefined: as many rows as fit in a request. */
  readonly batchSize: number | undefined;
  readonly batchDelayMs: number;
  readonly concurrency: number;
  /** Tables that are copied at the same time. */
  readonly tableConcurrency: number;
  /** The run pauses after so long; undefined: it does not. */
  readonly budgetMinutes: number | undefined;
  /** False: forget the checkpoints of earlier runs first. */
  readonly resume: boolean;
  readonly verbose: boolean;
  /** True: show what would be done, and do nothing. */
  readonly plan: boolean;
  /** Where the report of the run goes; undefined: none is written. */
  readonly reportFile: string | undefined;
  /** True: show durable progress, and do nothing. */
  readonly status: boolean;
  /** Show it again and again until all is completed. */
  readonly watch: boolean;
  readonly json: boolean;
}

/** The operator has to change something. The message is all there is to say. */
export class ConfigurationError extends Error {
  override readonly name: string = 'ConfigurationError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads arguments and variables. Undefined: `--help` was asked for. */
export function readConfiguration(args: readonly string[], env: Environment): Configuration | undefined {
  const options = readArguments(args);
  if (options.help === true) return undefined;
  const variables = new Variables(env);
  const configuration: Configuration = {
    databaseUrl: options.status
      ? ''
      : variables.required('DATABASE_URL', isPostgresAddress, {
          // Its value holds the password, so it is described and never shown.
          shown: false,
          rule: 'must be an address like postgresql://user:password@host:5432/database (characters such as @, / or # in the password are percent-encoded)',
        }),
    apiToken: variables.required('CLOUDFLARE_API_TOKEN', isOneWord, {
      shown: false,
      rule: 'must be one word without blanks',
    }),
    accountId: variables.required('CLOUDFLARE_ACCOUNT_ID', isOneWord),
    databaseId: variables.required('D1_DATABASE_ID', isOneWord),
    tables: tablesOf(options, variables),
    checkpointSize: variables.is('CHECKPOINT_SIZE', 'auto')
      ? 'auto'
      : variables.wholeNumber('CHECKPOINT_SIZE', 1, ', or "auto"'),
    batchSize: variables.wholeNumber('BATCH_SIZE', 1),
    resume: variables.flag('RESUME_MODE') ?? true,
    batchDelayMs: variables.wholeNumber('BATCH_DELAY_MS', 0) ?? 0,
    concurrency: variables.wholeNumber('CONCURRENCY', 1) ?? 4,
    tableConcurrency: variables.wholeNumber('TABLE_CONCURRENCY', 1) ?? 1,
    budgetMinutes: variables.positiveNumber('BUDGET_MINUTES'),
    apiBaseUrl: variables.address('CLOUDFLARE_API_BASE_URL'),
    verbose: options.verbose ?? variables.flag('VERBOSE') ?? false,
    plan: options.plan ?? false,
    reportFile: variables.optional('REPORT_FILE'),
    status: options.status ?? false,
    watch: options.watch ?? false,
    json: options.json ?? false,
  };
  variables.throwIfWrong();
  return configuration;
}

interface Arguments {
  readonly table?: string[];
  readonly all?: boolean;
  readonly verbose?: boolean;
  readonly plan?: boolean;
  readonly status?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
  readonly help?: boolean;
}

function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        table: { type: 'string', multiple: true },
        all: { type: 'boolean' },
        verbose: { type: 'boolean' },
        plan: { type: 'boolean' },
        status: { type: 'boolean' },
        watch: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.table?.some((name) => name.trim() === ''))
      throw new Error('--table needs the name of a table.');
    if (values.all && values.table !== undefined) throw new Error('--all and --table exclude each other.');
    if (values.plan && values.status) throw new Error('--plan and --status exclude each other.');
    if ((values.watch || values.json) && !values.status)
      throw new Error('--watch and --json belong to --status.');
    return values;
  } catch (error) {
    // The parser's own explanations start with the argument that it does not know; one sentence is enough.
    const [what] = (error instanceof Error ? error.message : String(error)).split('. ');
    throw new ConfigurationError(`${what?.replace(/\.?$/, '.')}\n   --help lists the arguments.`);
  }
}

function tablesOf({ all, table }: Arguments, variables: Variables): readonly string[] {
  if (table) return [...new Set(table.map((name) => name.trim()))];
  return all
    ? (variables.list('TABLE_NAMES') ?? ALL_TABLES)
    : [variables.optional('TABLE_NAME') ?? 'coordinate_speed_new'];
}

/** Reads variables and collects everything that is wrong with them, so that one message can name it all. */
class Variables {
  readonly #env: Environment;
  readonly #missing: string[] = [];
  readonly #malformed: string[] = [];

  constructor(env: Environment) {
    this.#env = env;
  }

  /** A variable that is empty counts as not set: that is what CI systems make of a secret that is not there. */
  optional(name: string): string | undefined {
    const value = this.#env[name]?.trim();
    return value === '' ? undefined : value;
  }

  /** Names with commas between them, each once. */
  list(name: string): string[] | undefined {
    const names = (this.optional(name) ?? '').split(',').map((one) => one.trim());
    const given = [...new Set(names.filter((one) => one !== ''))];
    return given.length === 0 ? undefined : given;
  }

  is(name: string, value: string): boolean {
    return this.optional(name)?.toLowerCase() === value;
  }

  required(
    name: string,
    isRight: (value: string) => boolean,
    { shown = true, rule = 'must be one word without blanks' } = {},
  ): string {
    const value = this.optional(name);
    if (value === undefined) this.#missing.push(name);
    else if (!isRight(value)) this.#malformed.push(`${name}${shown ? `=${value}` : ''} ${rule}`);
    return value ?? '';
  }

  wholeNumber(name: string, least: number, orElse = ''): number | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= least) return value;
    this.#malformed.push(`${name}=${text} must be a whole number of at least ${least}${orElse}`);
    return undefined;
  }

  positiveNumber(name: string): number | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (value > 0 && Number.isFinite(value)) return value;
    this.#malformed.push(`${name}=${text} must be a number above 0`);
    return undefined;
  }

  flag(name: string): boolean | undefined {
    const text = this.optional(name)?.toLowerCase();
    if (text === undefined) return undefined;
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    this.#malformed.push(`${name}=${text} must be true or false`);
    return undefined;
  }

  address(name: string): string | undefined {
    const text = this.optional(name);
    if (text === undefined || (URL.canParse(text) && /^https?:/i.test(text))) return text;
    this.#malformed.push(`${name}=${text} must be an address that begins with http:// or https://`);
    return undefined;
  }

  throwIfWrong(): void {
    if (this.#missing.length === 0 && this.#malformed.length === 0) return;
    const lines = ['The configuration is not complete or not right; nothing was changed.'];
    if (this.#missing.length > 0) lines.push(`Missing: ${this.#missing.join(', ')}`);
    for (const problem of this.#malformed) lines.push(`Malformed: ${problem}`);
    lines.push('--help explains every variable. `npm run demo` shows it all without any of them.');
    throw new ConfigurationError(lines.join('\n   '));
  }
}

function isPostgresAddress(value: string): boolean {
  return /^postgres(ql)?:\/\//i.test(value) && URL.canParse(value);
}

function isOneWord(value: string): boolean {
  return !/[\s\p{Cc}]/u.test(value);
}
