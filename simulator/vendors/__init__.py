"""Who moves, how, and when they say so: rosters, movement models, schedule replay, and the producer into SQS.

Everything but the producer and the readers is a pure function of a seed and elapsed simulated time.
"""
