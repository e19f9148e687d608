"""What the conformance tests talk with: a target, and clients that show the wire."""
