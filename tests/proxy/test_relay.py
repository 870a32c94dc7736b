"""The TCP relay."""

from __future__ import annotations

import os
import socket
import threading

from tests.support.front_door import Door, read_all


def test_the_relay_passes_bytes_and_half_closes_on(folder):
    with socket.create_server(("127.0.0.1", 0)) as target, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()
        free.close()
        words = "{}:{}={}:{}".format(*listen, *target.getsockname())
        door = Door(folder, "unix:///nowhere", "--forward", words).start()
        with socket.create_connection(listen, timeout=60) as connection:
            served, _ = target.accept()
            with served:
                data = os.urandom(3_000_000)
                sender = threading.Thread(target=connection.sendall, args=(data,))
                sender.start()
                got = b""
                while len(got) < len(data):
                    got += served.recv(65536)
                sender.join()
                assert got == data
                connection.shutdown(socket.SHUT_WR)
                assert served.recv(10) == b""
                served.sendall(b"answer after the end")
            assert read_all(connection) == b"answer after the end"
        door.stop()
