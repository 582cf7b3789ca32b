"""The command line ``netless-rooms``: a module for each group of commands, registered in ``app``."""
