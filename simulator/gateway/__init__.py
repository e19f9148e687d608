"""API Gateway on one port: WebSocket API, HTTP API and `@connections`.

The rules are plain functions and classes without I/O (`core`, `route_selection`, `websocket_events`, `management`,
`http_api`, …); `server` is the thin asyncio shell that performs what they say.
"""
