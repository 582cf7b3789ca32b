"""The commands; ``app`` imports only the module of the command that runs."""
