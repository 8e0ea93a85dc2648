"""Print all messages of the package with their places, to be read in one go: ``python -m tests.messages``."""

from __future__ import annotations

from tests.source_tree import messages

if __name__ == "__main__":
    for message in messages():
        text = " ".join(message.text.split()).encode("utf-8", "backslashreplace").decode()
        print(f"{message.path}:{message.line}\t{text}")
