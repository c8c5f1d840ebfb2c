"""The agent's child process that scores readings: `python -m edge.scoring_child`. See `inference.runtime.child`."""

from inference.runtime.child import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
