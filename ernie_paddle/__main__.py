"""`python -m ernie_paddle` is `ernie-paddle`."""

from ernie_paddle.cli import main

if __name__ == "__main__":
    main()
