"""The process that trains: fork server, loop, observer."""
