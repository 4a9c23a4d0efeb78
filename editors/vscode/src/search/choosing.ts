/** Asks the user what a search is to be restricted to. */

import { FileType, type QuickPickItem, Uri, window, workspace } from 'vscode';
import { inLabel } from '../foreignText';
import { LANGUAGES } from '../protocol';
import { type Choice, languageName, type Place } from './filters';

/** The chosen languages; undefined if the user thought better of it. */
export async function chooseLanguages(
  chosen: readonly string[],
  seen: ReadonlySet<string>,
): Promise<readonly string[] | undefined> {
  const all = [...new Set([...chosen, ...seen, ...LANGUAGES])];
  const items = all.map((id) => ({ id, label: inLabel(languageName(id)), picked: chosen.includes(id) }));
  const picked = await window.showQuickPick(items, {
    title: 'Languages to Search',
    placeHolder: 'Choose none to search all languages',
    canPickMany: true,
  });
  return picked?.map((item) => item.id);
}

type PlaceItem = QuickPickItem & { readonly place?: Place; readonly browse?: true };

/** The choice with another place; undefined if the user thought better of it. */
export async function choosePlace(choice: Choice, near: Uri | undefined): Promise<Choice | undefined> {
  const items: PlaceItem[] = [{ label: '$(globe) Everywhere' }, ...(await places(near))];
  items.push({ label: '$(folder-opened) Another Folder…', browse: true });
  const picked = await window.showQuickPick(items, { title: 'Folder to Search' });
  if (picked === undefined) {
    return undefined;
  }
  const place = picked.browse === true ? await browse() : picked.place;
  const { languages, tests } = choice;
  return { languages, tests, ...(place !== undefined && { place }) };
}

/** A folder of the workspace as a place to search; undefined if it is none. */
export function placeOf(folder: Uri): Place | undefined {
  const root = workspace.getWorkspaceFolder(folder);
  if (root === undefined) {
    return undefined;
  }
  const path = folder.path.slice(root.uri.path.length).replace(/^\//, '').replace(/\/$/, '');
  const several = (workspace.workspaceFolders?.length ?? 0) > 1;
  const label = path === '' ? root.name : several ? `${root.name}/${path}` : path;
  return { root: root.uri.toString(), path, label };
}

/** The folders around the current file, the innermost first, then those at the top. */
async function places(near: Uri | undefined): Promise<PlaceItem[]> {
  const roots = workspace.workspaceFolders ?? [];
  const found: Uri[] = [];
  const root = near && workspace.getWorkspaceFolder(near);
  if (near !== undefined && root !== undefined) {
    let folder = Uri.joinPath(near, '..');
    while (folder.path.length > root.uri.path.length) {
      found.push(folder);
      folder = Uri.joinPath(folder, '..');
    }
  }
  for (const { uri } of roots) {
    if (roots.length > 1) {
      found.push(uri);
    }
    for (const [name, type] of await workspace.fs.readDirectory(uri)) {
      if (type === FileType.Directory && !name.startsWith('.')) {
        found.push(Uri.joinPath(uri, name));
      }
    }
  }
  const unique = new Map(found.map((folder) => [folder.toString(), placeOf(folder)]));
  return [...unique.values()].flatMap((place) =>
    place === undefined ? [] : [{ label: `$(folder) ${inLabel(place.label)}`, place }],
  );
}

async function browse(): Promise<Place | undefined> {
  const [folder] =
    (await window.showOpenDialog({
      canSelectFolders: true,
      canSelectFiles: false,
      openLabel: 'Search Here',
    })) ?? [];
  return folder && placeOf(folder);
}
