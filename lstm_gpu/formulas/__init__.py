"""Your own formulas on trial: mark them, load them, evaluate them, compare them."""
