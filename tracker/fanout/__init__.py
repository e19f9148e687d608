"""The fan-out: one batch of messages to many open WebSockets through @connections, as fast as one core can sign.

======================  =====================================================================
`endpoint`              where @connections is
`sigv4`                 signatures (pure)
`requests`              one signed POST as bytes (pure)
`retry`                 what a status means, and how long to wait (pure)
`plan`                  who gets what next: order per connection, retries, who is gone (pure)
`window`                how many posts may be under way (pure)
`outcome`               what became of a broadcast
`tcp`                   a connected socket, with TLS or without
`post_connection`       one keep-alive HTTP/1.1 connection on it, parsed by httptools
`pool`                  the connections that are kept from one broadcast to the next
`engine`                carries out a plan over them
`loop_thread`           the event loop that is kept from one invocation to the next
`broadcast`             the door: everything above, while the recipients are still being read
======================
"""
