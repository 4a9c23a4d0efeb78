"""One module for each feature. A handler takes the session and the message's parameters."""
