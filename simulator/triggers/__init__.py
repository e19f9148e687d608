"""SQS event source mappings: queues are polled as Lambda polls them, and functions invoked with their messages."""

from simulator.triggers.poller import BatchReport, EventSourcePoller

__all__ = ["BatchReport", "EventSourcePoller"]
