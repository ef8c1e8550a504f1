"""Published encoders by the `Encoder` protocol, and published embedding rasters at the pooling step."""
