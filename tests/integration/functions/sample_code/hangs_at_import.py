"""A handler module whose import reports to the test and never ends."""

import os
import socket

peer = socket.create_connection(("127.0.0.1", int(os.environ["RENDEZVOUS"])))
peer.sendall(f"{os.getpid()}\n".encode())
peer.recv(1)
