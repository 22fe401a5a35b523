"""What reaches the turns of a chat from outside: a stop, a /forget."""
