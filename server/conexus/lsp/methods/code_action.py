"""Offers one code action, "Find related code". It has a kind of its own, so that it is not among quick fixes."""

from lsprotocol import types as lsp

from conexus.lsp import convert, types
from conexus.lsp.connection import Connection


def code_action(connection: Connection, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    if not connection.client.takes_code_actions or not _asked_for(params.context):
        return []
    if convert.document_of_uri(params.text_document.uri) is None:
        return []
    arguments = {
        "textDocument": {"uri": params.text_document.uri},
        "range": connection.protocol.converter.unstructure(params.range),
    }
    title = "Find related code"
    return [
        lsp.CodeAction(
            title=title,
            kind=types.ACTION_RELATED,
            command=lsp.Command(title=title, command=types.COMMAND_SHOW_RESULTS, arguments=[arguments]),
        )
    ]


def _asked_for(context: lsp.CodeActionContext) -> bool:
    """Decides whether the client asks for the action, by its kind or a more general kind.

    Without a kind, the user must have asked for all actions: the editor did not ask automatically.
    """
    if context.only is None:
        return context.trigger_kind is not lsp.CodeActionTriggerKind.Automatic
    kinds = [getattr(kind, "value", kind) for kind in context.only]
    return any(kind == types.ACTION_RELATED or types.ACTION_RELATED.startswith(f"{kind}.") for kind in kinds)
