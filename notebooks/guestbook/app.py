"""The guestbook: visitors leave a name and a sentence, and see what others left.

Settings come from environment variables:

GUESTBOOK_TITLE     the heading of the page
GUESTBOOK_VERSION   shown at the foot of the page
GUESTBOOK_DATA      the folder for entries, if there is no database
DATABASE_HOST       the host name of a PostgreSQL server, see storage.py
"""

import os
import signal
import socket
import sys

from flask import Flask, jsonify, redirect, render_template, request
from waitress import serve

from storage import StorageError, open_storage

LONGEST_NAME = 40
LONGEST_SENTENCE = 200
PORT = 8000


def create_app(storage=None):
    app = Flask(__name__)
    entries = storage or open_storage(os.environ)
    about = {
        "title": os.environ.get("GUESTBOOK_TITLE", "Guestbook"),
        "version": os.environ.get("GUESTBOOK_VERSION", "1"),
        "host": socket.gethostname(),
    }

    @app.get("/")
    def page():
        return render_template("page.html", entries=entries.newest(), **about)

    @app.post("/")
    def sign():
        name = request.form.get("name", "").strip()
        sentence = request.form.get("sentence", "").strip()
        if not 0 < len(name) <= LONGEST_NAME or not 0 < len(sentence) <= LONGEST_SENTENCE:
            return "A name (40 characters) and a sentence (200 characters), please.\n", 400
        entries.add(name, sentence)
        # Relative, like the addresses in page.html: a proxy may serve the page below a prefix.
        return redirect("./", code=303)

    @app.get("/entries")
    def as_json():
        return jsonify(entries=entries.newest(), **about)

    @app.get("/health")
    def health():
        return f"ok, {entries.count()} entries\n"

    @app.errorhandler(StorageError)
    def no_storage(error):
        app.logger.error("%s", error)
        return f"The guestbook cannot reach its entries: {error}\n", 503

    return app


def stop(signum, frame):
    print("guestbook: stopping", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    guestbook = create_app()
    print(f"guestbook: listening on port {PORT}", flush=True)
    serve(guestbook, port=PORT)
