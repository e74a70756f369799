"""The unit sphere: where the forget gate's preactivation is largest, and how that is searched."""
