"""The command `aid4` and the all-in-one park: the only place where the rooms are wired together."""
