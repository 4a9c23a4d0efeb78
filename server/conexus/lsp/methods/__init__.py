"""One module per feature: functions of the session and the message's parameters."""
