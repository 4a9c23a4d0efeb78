import assert from 'node:assert/strict';
import { it } from 'node:test';
import { forServer, type Inspection } from '../src/settings';

it('the server is told what the user has set, and neither defaults nor what is the extension’s', () => {
  const settings: Record<string, Inspection & { defaultValue: unknown }> = {
    path: { defaultValue: '', globalValue: '/opt/conexus' },
    'search.limit': { defaultValue: 30, globalValue: 50 },
    watcher: { defaultValue: 'auto' },
    exclude: { defaultValue: [], globalValue: ['a'], workspaceValue: ['b'] },
    allowLargeFolders: { defaultValue: true, globalValue: false },
  };
  const given = forServer([...Object.keys(settings), 'model'], (name) => settings[name]);
  assert.deepEqual(given, { exclude: ['b'], allowLargeFolders: false });
});
