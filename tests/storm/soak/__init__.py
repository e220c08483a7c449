"""A soak: processes of all shapes, steered at random, while workers are killed and the broker is flushed."""
