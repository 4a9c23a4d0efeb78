/** The language server of this window: started, watched, asked. */

import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import {
  CancellationError,
  CancellationTokenSource,
  type Disposable,
  type Event,
  EventEmitter,
  type LogOutputChannel,
  workspace,
} from 'vscode';
import {
  CloseAction,
  ErrorAction,
  ErrorCodes,
  ExecuteCommandRequest,
  LanguageClient,
  type LanguageClientOptions,
  ResponseError,
  RevealOutputChannelOn,
  State,
} from 'vscode-languageclient/node';
import { inLog } from './foreignText';
import { answered } from './launch/answered';
import { circumstances, machine } from './launch/machine';
import { findServer, type Program } from './launch/order';
import { inWords, Problem } from './problems';
import * as protocol from './protocol';
import { type Level, parse } from './serverLog';
import { fitToShow } from './serverWords';
import { forServer } from './settings';
import type { ServerState } from './status/state';

/** How long a server may take to answer for the first time. */
const ANSWER_MS = 30_000;

export class Server implements Disposable {
  private readonly stateChanged = new EventEmitter<ServerState>();
  private readonly indexChanged = new EventEmitter<protocol.IndexChangedParams>();
  private current: ServerState = { kind: 'stopped' };
  private client: LanguageClient | undefined;
  /** Resolves once a client runs; another start begins only after it. */
  private starting: Promise<void> | undefined;
  private looking = false;
  private lookAgain = false;

  readonly onDidChangeState: Event<ServerState> = this.stateChanged.event;
  readonly onDidChangeIndex: Event<protocol.IndexChangedParams> = this.indexChanged.event;

  constructor(
    private readonly log: LogOutputChannel,
    /** Names of the settings that `package.json` contributes, without `conexus.`. */
    private readonly settings: readonly string[],
    private readonly onError: (error: unknown) => void,
  ) {}

  get state(): ServerState {
    return this.current;
  }

  // --- life ---

  /** Find the server and start it, unless it runs. Never rejects: the state says how it went. */
  async start(): Promise<void> {
    this.starting ??= this.launch().finally(() => {
      this.starting = undefined;
    });
    await this.starting;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.starting;
    const { client } = this;
    if (client !== undefined) {
      this.log.info('Stopping the server');
      this.client = undefined;
      await client.dispose();
    }
    this.become({ kind: 'stopped' });
  }

  private async launch(): Promise<void> {
    if (this.client !== undefined) {
      return;
    }
    this.become({ kind: 'starting' });
    try {
      const found = await findServer(circumstances(), machine);
      for (const each of found.passedOver) {
        this.log.warn(inLog(`Skipped: ${each}`));
      }
      if ('problem' in found) {
        this.log.warn(inLog(found.problem));
        this.become({ kind: 'missing', problem: found.problem, installable: found.installable });
        return;
      }
      const program = `${found.command} (found ${found.found})`;
      this.log.info(inLog(`Starting ${program} with ${found.args.join(' ')}`));
      const client = this.makeClient(found);
      this.client = client;
      if (!(await answered(client, ANSWER_MS))) {
        throw new Problem(`${program} did not answer within ${ANSWER_MS / 1000} seconds.`);
      }
      const wrong = misfit(client.initializeResult?.capabilities.experimental);
      if (wrong !== undefined) {
        throw new Problem(`${program} ${wrong}`);
      }
      this.become({ kind: 'running' });
      this.look();
    } catch (error) {
      await this.client?.dispose().catch(() => undefined);
      this.client = undefined;
      const ended = error instanceof ResponseError && error.code === ErrorCodes.PendingResponseRejected;
      this.fail(
        `The server did not start: ${ended ? 'it ended at once; the log says why.' : inWords(error)}`,
      );
    }
  }

  private makeClient(program: Program): LanguageClient {
    const client = new LanguageClient(
      'conexus',
      'Conexus',
      // Not in the workspace's folder: what lies there must not become part of the server.
      { command: program.command, args: [...program.args], options: { cwd: homedir() } },
      this.options(),
    );
    client.registerFeature({
      fillClientCapabilities: (capabilities) => {
        capabilities.experimental = {
          ...(capabilities.experimental as object | undefined),
          conexus: { indexChanged: true },
          serverStatusNotification: true,
        };
      },
      initialize: () => undefined,
      getState: () => ({ kind: 'static' }),
      clear: () => undefined,
    });
    client.onNotification(protocol.INDEX_CHANGED, (params: protocol.IndexChangedParams) => {
      this.indexChanged.fire(params);
      this.look();
    });
    client.onNotification(protocol.SERVER_STATUS, () => {
      this.look();
    });
    client.onDidChangeState(({ newState }) => {
      if (this.client === client && newState === State.Starting && this.current.kind === 'running') {
        this.become({ kind: 'starting' });
      } else if (this.client === client && newState === State.Running && this.starting === undefined) {
        this.become({ kind: 'running' });
        this.look();
      }
    });
    return client;
  }

  private options(): LanguageClientOptions {
    const crashes = new Crashes();
    return {
      documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      // A document without an editor (another extension opened it) has no unsaved text that the server needs.
      textSynchronization: { delayOpenNotifications: true },
      initializationFailedHandler: () => false,
      connectionOptions: {
        messageStrategy: {
          handleMessage: (message, next) => next(fitToShow(message)),
        },
      },
      stdioOptions: {
        stdout: () => undefined,
        stderr: (stream) => {
          let level: Level = 'info';
          createInterface(stream).on('line', (line) => {
            const entry = parse(line, level);
            level = entry.level;
            this.log[level](inLog(entry.text));
          });
        },
      },
      errorHandler: {
        error: (error, _message, count = 0) => {
          this.log.error(inLog(inWords(error)));
          return { action: count <= 3 ? ErrorAction.Continue : ErrorAction.Shutdown, handled: true };
        },
        closed: () => {
          if (this.starting !== undefined || this.client === undefined) {
            // It did not start, which is told elsewhere, or it is not wanted any more.
            return { action: CloseAction.DoNotRestart, handled: true };
          }
          if (crashes.tooMany()) {
            this.client = undefined;
            this.fail(`The server ended ${Crashes.MOST} times within minutes; the log says why.`);
            return { action: CloseAction.DoNotRestart, handled: true };
          }
          this.log.warn('The server ended unexpectedly and will be restarted');
          return { action: CloseAction.Restart, handled: true };
        },
      },
      middleware: {
        // The extension has a code action of its own, which shows its results in its views.
        provideCodeActions: () => [],
        workspace: {
          configuration: (params) => {
            const configuration = workspace.getConfiguration('conexus');
            const given = forServer(this.settings, (name) => configuration.inspect(name));
            return params.items.map((item) => (item.section === 'conexus' ? given : null));
          },
        },
      },
    };
  }

  private fail(problem: string): void {
    this.become({ kind: 'failed', problem, installable: false });
    this.onError(new Problem(problem));
  }

  private become(state: ServerState): void {
    this.current = state;
    this.stateChanged.fire(state);
  }

  // --- questions ---

  search(params: protocol.SearchParams, signal: AbortSignal): Promise<protocol.SearchResult> {
    return this.hits(protocol.SEARCH, params, signal);
  }

  related(params: protocol.RelatedParams, signal: AbortSignal): Promise<protocol.SearchResult> {
    return this.hits(protocol.RELATED, params, signal);
  }

  async status(): Promise<protocol.StatusResult> {
    return (await this.running()).sendRequest<protocol.StatusResult>(protocol.STATUS);
  }

  async reindex(params: protocol.ReindexParams = {}): Promise<void> {
    await (await this.running()).sendRequest(protocol.REINDEX, params);
  }

  async pause(): Promise<void> {
    await this.command(protocol.COMMAND_PAUSE);
  }

  async resume(): Promise<void> {
    await this.command(protocol.COMMAND_RESUME);
  }

  private async command(command: string): Promise<void> {
    await (await this.running()).sendRequest(ExecuteCommandRequest.type, { command });
    this.look();
  }

  private async hits(method: string, params: object, signal: AbortSignal): Promise<protocol.SearchResult> {
    const client = await this.running();
    if (signal.aborted) {
      throw new CancellationError();
    }
    const source = new CancellationTokenSource();
    const cancel = (): void => {
      source.cancel();
    };
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const result = await client.sendRequest<protocol.SearchResult>(method, params, source.token);
      // As the editor spells URIs, so that they can be compared with those of documents.
      const spell = (uri: string): string =>
        uri === '' ? uri : client.protocol2CodeConverter.asUri(uri).toString();
      const hits = result.hits.map((hit) => ({
        ...hit,
        folder: spell(hit.folder),
        location: { ...hit.location, uri: spell(hit.location.uri) },
      }));
      return { ...result, hits };
    } finally {
      signal.removeEventListener('abort', cancel);
      source.dispose();
    }
  }

  private async running(): Promise<LanguageClient> {
    await this.starting;
    if (this.client === undefined) {
      const { current } = this;
      throw new Problem('problem' in current ? current.problem : 'The server is stopped.');
    }
    return this.client;
  }

  /** Ask for the status; while it is asked, at most one more such wish is kept. */
  private look(): void {
    if (this.looking) {
      this.lookAgain = true;
      return;
    }
    this.looking = true;
    this.status()
      .then(
        (status) => {
          if (this.current.kind === 'running') {
            this.become({ kind: 'running', status });
          }
        },
        (error: unknown) => {
          if (this.current.kind === 'running') {
            this.onError(error);
          }
        },
      )
      .finally(() => {
        this.looking = false;
        if (this.lookAgain) {
          this.lookAgain = false;
          this.look();
        }
      })
      .catch(this.onError);
  }

  dispose(): void {
    this.stateChanged.dispose();
    this.indexChanged.dispose();
  }
}

/** Why a server that answered is none for us; other programs may have the same name. */
function misfit(experimental: unknown): string | undefined {
  const { conexus } = (experimental ?? {}) as { readonly conexus?: { readonly protocolVersion?: number } };
  const protocolVersion = conexus?.protocolVersion;
  if (protocolVersion === protocol.PROTOCOL_VERSION) {
    return undefined;
  }
  return protocolVersion === undefined
    ? 'is not the server of this extension.'
    : `uses another version of the protocol than this extension: ${protocolVersion}, not ${protocol.PROTOCOL_VERSION}.`;
}

/** Whether a server that keeps ending is still worth starting. */
class Crashes {
  static readonly MOST = 5;
  private static readonly WITHIN_MS = 3 * 60_000;
  private times: number[] = [];

  tooMany(): boolean {
    const now = Date.now();
    this.times = [...this.times, now].filter((time) => now - time < Crashes.WITHIN_MS);
    return this.times.length >= Crashes.MOST;
  }
}
