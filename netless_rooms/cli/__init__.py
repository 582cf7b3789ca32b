"""The command line ``netless-rooms``: one module for each group of commands, registered in ``app``."""
