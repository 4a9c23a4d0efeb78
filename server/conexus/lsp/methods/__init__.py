"""One module for each feature. A handler takes the connection and the message's parameters."""
