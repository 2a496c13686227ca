#!/usr/bin/env python3
"""Run a command while holding an exclusive lock on a file.

    with-lock.py LOCK_FILE COMMAND [ARGUMENT...]

The lock belongs to the process and its children: the kernel releases it when they end, however they end.
"""

import fcntl
import os
import sys


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit("usage: with-lock.py LOCK_FILE COMMAND [ARGUMENT...]")
    path, command = sys.argv[1], sys.argv[2:]
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another installation is running; waiting for it ({path})", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
