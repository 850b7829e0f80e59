"""Files and arrays to tensors and back; the only place that knows pixels."""
