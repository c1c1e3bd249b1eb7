"""`python -m sideman` is the command `sideman`."""

from sideman.cli import main

if __name__ == "__main__":
    main()
