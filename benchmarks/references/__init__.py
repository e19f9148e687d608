"""What ours is measured against: other ways of doing the same work, each in a file of its own."""
