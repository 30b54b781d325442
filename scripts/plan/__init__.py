"""How the pipeline would do with thousands of devices on AWS: a simulation, and what it costs."""
