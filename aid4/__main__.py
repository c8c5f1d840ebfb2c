"""`python -m aid4` is the command `aid4`."""

from aid4.cli import main

if __name__ == "__main__":
    main()
