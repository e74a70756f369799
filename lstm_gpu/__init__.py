"""lstm_gpu: puts hand-derived LSTM derivatives on trial, at scale."""

__version__ = "0.1.0"
