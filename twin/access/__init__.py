"""Who may do what: roles, accounts, sessions, tokens, sign-in with a password or an OpenID provider, and the audit.

`desk.py` joins them; `twin/api/permissions.py` says which right each route asks for.
"""
