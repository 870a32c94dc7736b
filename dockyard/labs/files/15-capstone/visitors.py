"""Visits a guestbook again and again. Prints what it sees whenever that changes.

Each line begins with the number of the visit, so the lines also say how many visits saw what.
"""

import http.client
import itertools
import json
import sys
import time
import urllib.request

ADDRESS, WORD = sys.argv[1:]
PAUSE = 0.2
"""Seconds between two visits."""


def visit():
    """What one visitor sees: a version, that the entry with WORD is missing, or nothing."""
    try:
        with urllib.request.urlopen(ADDRESS, timeout=5) as answer:
            found = json.load(answer)
        has_entry = any(WORD in entry["sentence"] for entry in found["entries"])
        return f"version {found['version']}" + ("" if has_entry else " without the entry")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return "failed"


before = None
for number in itertools.count(1):
    if (seen := visit()) != before:
        print(number, seen, flush=True)
        before = seen
    time.sleep(PAUSE)
