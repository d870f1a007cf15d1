"""Pure: what differs, in which order it is mended, and whether that is safe."""
