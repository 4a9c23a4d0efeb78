"""The capabilities that the server declares to the client."""

from lsprotocol import types as lsp

from conexus.lsp import types
from conexus.lsp.client import Client

#: Pattern of every file and folder. It is one pattern, because editors take minutes to register thousands, and has no
#: extension, because a client reports only the folder itself if a folder is deleted.
EVERYTHING = "**/*"


def server_capabilities(client: Client, *, symbols: bool) -> lsp.ServerCapabilities:
    """Returns the capabilities of the server. ``symbols`` says whether `workspace/symbol` is offered."""
    files = lsp.FileOperationRegistrationOptions(
        filters=[
            lsp.FileOperationFilter(scheme="file", pattern=lsp.FileOperationPattern(glob=EVERYTHING)),
        ]
    )
    return lsp.ServerCapabilities(
        position_encoding=lsp.PositionEncodingKind(client.encoding.value),
        text_document_sync=lsp.TextDocumentSyncOptions(
            open_close=True,
            change=lsp.TextDocumentSyncKind.Incremental,
            save=lsp.SaveOptions(include_text=False),
        ),
        workspace=lsp.WorkspaceOptions(
            workspace_folders=lsp.WorkspaceFoldersServerCapabilities(supported=True, change_notifications=True),
            file_operations=lsp.FileOperationOptions(did_create=files, did_rename=files, did_delete=files),
        ),
        execute_command_provider=lsp.ExecuteCommandOptions(commands=list(types.COMMANDS)),
        workspace_symbol_provider=symbols or None,
        code_action_provider=lsp.CodeActionOptions(code_action_kinds=[types.ACTION_RELATED], resolve_provider=False)
        if client.takes_code_actions
        else None,
        experimental={"conexus": {"protocolVersion": types.PROTOCOL_VERSION, "methods": sorted(types.REQUESTS)}},
    )
