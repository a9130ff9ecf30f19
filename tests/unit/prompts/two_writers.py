"""The second writer of a test: PromptBin's own store, in a process of its own.

    two_writers.py FLASK_APP_FOLDER DATA_FOLDER WRITES ID...

Says "ready", waits for a line, then writes the content "py N" N times, spread over the ids, and prints
`<id> <updated_at> <content>` for each write that was acknowledged.
"""

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from store import Store, StoreError  # noqa: E402

store = Store(Path(sys.argv[2]))
ids = sys.argv[4:]
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    prompt_id = ids[number % len(ids)]
    try:
        stored = store.update(prompt_id, {"content": f"py {number}"})
    except StoreError as error:
        if error.code != "busy":
            raise
        continue
    print(prompt_id, stored.updated_at, stored.content)
