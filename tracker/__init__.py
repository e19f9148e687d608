"""The Lambda functions of the live vendor map: connections in and out, vendor updates to every open WebSocket."""
