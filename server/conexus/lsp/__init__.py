"""The language server: it converts, calls the engine and converts back. It holds no search logic.

How a message is run: a handler that is a plain function runs at once, in the order of arrival, on the event loop (the
handlers of documents and hints, for example). A handler that is a coroutine runs as a task and may be cancelled;
blocking work in it goes to the threads of `workers`. The order of the tasks is not fixed, so a coroutine reads the
state that it needs before its first `await`.
"""
