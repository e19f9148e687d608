"""The load spread over several processes, here or on other machines: Locust carries it, each worker plays a share.

::

    tracker-sim run: coordinator ── Locust master ══ zmq ══ Locust worker ── tracker-sim worker: a Part
                     (asyncio)      (gevent)                (gevent)         (asyncio)

Locust has interpreters of its own (`locust_process`), because it patches the one it runs in for gevent. For its sake
this package imports nothing by itself: what was imported before Locust is not patched, and breaks.
"""
