"""The embedded AWS: moto in a child process, patched for speed and for the truth, and provisioned with a `Stack`.

`simulator.cloud.cloud` is the parent's side, `simulator.cloud.server` the child's; nothing is imported here, because
the child must not pay for what only the parent needs.
"""
