"""Networks that several tasks share, in Keras, and the names of their pretrained weights."""
