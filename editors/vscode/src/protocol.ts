// Made by tools/protocol.py of the server's types. docs/protocol.md says what they mean.

import type { Location, Position, Range, TextDocumentIdentifier } from 'vscode-languageclient';

export const PROTOCOL_VERSION = 1;

export const SEARCH = 'conexus/search';
export const RELATED = 'conexus/related';
export const STATUS = 'conexus/status';
export const REINDEX = 'conexus/reindex';
export const INDEX_CHANGED = 'conexus/indexChanged';
export const SERVER_STATUS = 'experimental/serverStatus';
export const COMMAND_SEARCH = 'conexus.server.search';
export const COMMAND_RELATED = 'conexus.server.related';
export const COMMAND_STATUS = 'conexus.server.status';
export const COMMAND_REINDEX = 'conexus.server.reindex';
export const COMMAND_PAUSE = 'conexus.server.pause';
export const COMMAND_RESUME = 'conexus.server.resume';
export const COMMAND_CLEAR = 'conexus.server.clear';
export const COMMAND_SHOW_RESULTS = 'conexus.server.showResults';

/** The languages that are read definition by definition. */
export const LANGUAGES: readonly string[] = [
  'bash',
  'c',
  'cpp',
  'csharp',
  'elixir',
  'go',
  'haskell',
  'java',
  'javascript',
  'kotlin',
  'lua',
  'markdown',
  'php',
  'python',
  'ruby',
  'rust',
  'scala',
  'swift',
  'tsx',
  'typescript',
  'zig',
];

export interface Near {
  readonly textDocument: TextDocumentIdentifier;
  readonly position: Position;
}

export interface Filters {
  readonly languages?: readonly string[];
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly kinds?: readonly string[];
  readonly folders?: readonly string[];
  readonly tests?: 'include' | 'exclude' | 'only';
}

export interface SearchParams {
  readonly query: string;
  readonly limit?: number;
  readonly filters?: Filters;
  readonly near?: Near;
  readonly workDoneToken?: number | string;
  readonly partialResultToken?: number | string;
}

export interface RelatedParams {
  readonly textDocument: TextDocumentIdentifier;
  readonly range?: Range;
  readonly position?: Position;
  readonly relations?: readonly string[];
  readonly limit?: number;
  readonly filters?: Filters;
  readonly workDoneToken?: number | string;
  readonly partialResultToken?: number | string;
}

export interface Hit {
  readonly location: Location;
  readonly folder: string;
  readonly language: string;
  readonly score: number;
  readonly reasons: readonly string[];
  readonly preview: string;
  readonly version?: number;
  readonly symbol?: string;
  readonly kind?: string;
  readonly container?: string;
  readonly relation?: string;
  readonly nameRange?: Range;
  readonly matches?: readonly Range[];
}

export interface IndexState {
  readonly complete: boolean;
  readonly indexedFiles: number;
  readonly totalFiles: number;
  readonly degraded?: string;
}

export interface SearchResult {
  readonly hits: readonly Hit[];
  readonly index: IndexState;
  readonly generation: number;
  readonly tookMs: number;
}

export type StatusParams = Record<string, never>;

export interface ModelStatus {
  readonly name: string;
  readonly dimensions: number;
  readonly fingerprint: string;
}

export interface FolderStatus {
  readonly uri: string;
  readonly files: number;
  readonly chunks: number;
  readonly complete: boolean;
  readonly skipped: Readonly<Record<string, number>>;
  readonly quarantined: readonly string[];
  readonly role: 'writer' | 'reader';
  readonly searchMode: 'exact' | 'indexed';
}

export interface StatusResult {
  readonly quiescent: boolean;
  readonly health: 'ok' | 'warning' | 'error';
  readonly message: string;
  readonly files: number;
  readonly chunks: number;
  readonly pending: number;
  readonly dirtyBuffers: number;
  readonly embeddedChunks: number;
  readonly generation: number;
  readonly model: ModelStatus;
  readonly folders: readonly FolderStatus[];
  readonly phase: string;
  readonly paused: boolean;
  readonly memoryBytes: number;
  readonly indexBytes: number;
  readonly role: 'writer' | 'reader';
  readonly limits: Readonly<Record<string, number>>;
  readonly protocolVersion: number;
}

export interface ReindexParams {
  readonly folders?: readonly string[];
  readonly paths?: readonly string[];
  readonly workDoneToken?: number | string;
}

export type ReindexResult = Record<string, never>;

export interface IndexChangedParams {
  readonly generation: number;
  readonly folders: readonly string[];
}

export interface ServerStatusParams {
  readonly health: 'ok' | 'warning' | 'error';
  readonly quiescent: boolean;
  readonly message?: string;
}
